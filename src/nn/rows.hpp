#pragma once

#include <cstddef>

namespace gradatim {

struct RowRange {
  std::size_t first, count;
};

}  // namespace gradatim
