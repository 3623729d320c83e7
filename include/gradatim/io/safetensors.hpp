#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gradatim/core/tensor.hpp"

namespace gradatim {

/// Named float32 tensors and a few strings in one file, in the safetensors format
/// (https://huggingface.co/docs/safetensors): 8 bytes with the header's length N (little-endian),
/// N bytes of JSON padded with spaces so that the data start at a multiple of 8, and the raw
/// values, little-endian, without gaps. Any program that knows the format reads our files.
using Metadata = std::map<std::string, std::string>;

struct NamedView {
  std::string name;
  ConstTensorView values;
};

struct NamedTensor {
  std::string name;
  Tensor values;
};

struct SafetensorsFile {
  Metadata metadata;
  std::vector<NamedTensor> tensors;  // in the order of their data
};

/// Replaces the file whole or not at all (AtomicFile). Throws InvalidArgument if two tensors have
/// one name, a name is "__metadata__" or a string is not UTF-8; DataError if the file can't be
/// written.
void write_safetensors(const std::filesystem::path& path, const Metadata& metadata,
                       std::span<const NamedView> tensors);

/// Reads a file that nobody vouches for. The header is held against the format and against the
/// length of the file before memory for any tensor is taken: it must be an object of the format's
/// members only, names must be unique, data types F32, shapes must fit their bytes, and the tensors
/// must fill the data exactly, without gap, overlap or rest. Throws DataError naming the file and
/// what is wrong.
SafetensorsFile read_safetensors(const std::filesystem::path& path);

/// The same for a file in memory; `name` is for error messages.
SafetensorsFile parse_safetensors(std::span<const std::byte> bytes, std::string_view name);

}  // namespace gradatim
