#include "gradatim/data/idx.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "byte_stream.hpp"
#include "gradatim/core/error.hpp"

namespace gradatim {
namespace {

constexpr std::size_t kBlock = std::size_t{1} << 16;
constexpr std::size_t kLargestReserve = std::size_t{1} << 26;

[[noreturn]] void fail(const detail::ByteStream& stream, std::string_view what) {
  throw DataError(fmt::format("idx '{}': {}", stream.file().string(), what));
}

std::size_t header_size(std::size_t rank) { return 4 + 4 * rank; }

std::size_t big_endian(std::span<const std::uint8_t> bytes) {
  return (std::size_t{bytes[0]} << 24) | (std::size_t{bytes[1]} << 16) |
         (std::size_t{bytes[2]} << 8) | std::size_t{bytes[3]};
}

void check_magic(const detail::ByteStream& stream, std::span<const std::uint8_t> magic,
                 std::size_t rank) {
  const std::array<std::size_t, 4> expected{0, 0, 8, rank};
  if (std::equal(magic.begin(), magic.end(), expected.begin())) return;
  fail(stream, fmt::format("expected the magic {:02x} (unsigned bytes of rank {}), got {:02x}",
                           fmt::join(expected, " "), rank, fmt::join(magic, " ")));
}

Shape read_header(detail::ByteStream& stream, std::size_t rank) {
  std::array<std::uint8_t, 4 + 4 * Shape::kMaxRank> bytes{};
  const auto header = std::span(bytes).first(header_size(rank));
  const std::size_t got = stream.read(header);
  if (got != header.size())
    fail(stream, fmt::format("expected a header of {} bytes, got {}", header.size(), got));
  check_magic(stream, header.first(4), rank);
  std::vector<std::size_t> extents;
  for (std::size_t axis = 0; axis < rank; ++axis)
    extents.push_back(big_endian(header.subspan(4 + 4 * axis, 4)));
  try {
    return Shape(extents);
  } catch (const ShapeError&) {
    fail(stream,
         fmt::format("the product of the extents ({}) overflows", fmt::join(extents, ", ")));
  }
}

// Before anything is allocated: can this file hold what its header promises?
void check_size(const detail::ByteStream& stream, const Shape& shape) {
  const std::uint64_t bound = stream.payload_bound();
  const std::size_t header = header_size(shape.rank());
  if (shape.size() > SIZE_MAX - header || bound < header + shape.size())
    fail(stream, fmt::format("truncated: expected {} + {} bytes for the extents {}, got {}{}",
                             header, shape.size(), shape.to_string(),
                             stream.compressed() ? "a gzip file that holds at most " : "", bound));
  if (!stream.compressed() && bound > header + shape.size())
    fail(stream, fmt::format("over-long: expected {} + {} bytes for the extents {}, got {}", header,
                             shape.size(), shape.to_string(), bound));
}

AlignedVector<std::uint8_t> read_elements(detail::ByteStream& stream, const Shape& shape) {
  AlignedVector<std::uint8_t> values;
  values.reserve(std::min(shape.size(), kLargestReserve));
  std::vector<std::uint8_t> block(kBlock);
  while (values.size() < shape.size()) {
    const auto wanted = std::span(block).first(std::min(kBlock, shape.size() - values.size()));
    const std::size_t got = stream.read(wanted);
    values.insert(values.end(), block.begin(), block.begin() + static_cast<std::ptrdiff_t>(got));
    if (got < wanted.size())
      fail(stream, fmt::format("truncated: expected {} elements for the extents {}, got {}",
                               shape.size(), shape.to_string(), values.size()));
  }
  return values;
}

}  // namespace

ByteTensor read_idx(const std::filesystem::path& file, std::size_t rank) {
  if (rank == 0 || rank > Shape::kMaxRank)
    throw InvalidArgument(
        fmt::format("read_idx: expected a rank from 1 to {}, got {}", Shape::kMaxRank, rank));
  detail::ByteStream stream(file);
  const Shape shape = read_header(stream, rank);
  check_size(stream, shape);
  ByteTensor tensor(shape, read_elements(stream, shape));
  std::array<std::uint8_t, 1> beyond{};
  if (stream.read(beyond) != 0)  // also makes zlib verify the checksum
    fail(stream, fmt::format("over-long: more than {} elements for the extents {}", shape.size(),
                             shape.to_string()));
  return tensor;
}

}  // namespace gradatim
