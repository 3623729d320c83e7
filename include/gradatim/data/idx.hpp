#pragma once

#include <cstddef>
#include <filesystem>

#include "gradatim/core/tensor.hpp"

namespace gradatim {

/// Reads an IDX file of unsigned bytes (yann.lecun.com/exdb/mnist), plain or gzip: the content
/// says which, not the name. The format is 00 00 08 RANK, then RANK extents of four big-endian
/// bytes, then their product of bytes, and nothing else.
///
/// The header alone decides how much is read. A plain file's size must agree with it before
/// anything is allocated; a gzip stream is inflated to exactly that much and must end there, and
/// memory grows only as bytes arrive, so neither a lying header nor a gzip bomb costs more than
/// the honest file would.
///
/// Throws DataError, with the file, what was expected and what came, if the file is missing, not a
/// regular file, truncated, over-long, damaged, of another element type or another rank.
/// Throws InvalidArgument unless 1 <= rank <= Shape::kMaxRank.
ByteTensor read_idx(const std::filesystem::path& file, std::size_t rank);

}  // namespace gradatim
