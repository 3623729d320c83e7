#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "gradatim/core/shape.hpp"
#include "gradatim/io/safetensors.hpp"

namespace gradatim::detail {

struct TensorEntry {
  std::string name;
  Shape shape;
  std::size_t begin = 0;  // bytes from the start of the data
  std::size_t end = 0;
};

struct SafetensorsHeader {
  Metadata metadata;
  std::vector<TensorEntry> tensors;  // by offset; together they fill [0, data_size) exactly
};

/// Throws DataError, its message to be prefixed with the file's name.
SafetensorsHeader parse_safetensors_header(std::string_view json, std::size_t data_size);

}  // namespace gradatim::detail
