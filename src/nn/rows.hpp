#pragma once

#include <algorithm>
#include <cstddef>

namespace gradatim {

struct RowRange {
  std::size_t first, count;
};

/// Those of a task of `tasks` that cut `rows`; the last ones may have fewer, or none.
inline RowRange rows_of_task(std::size_t rows, std::size_t index, std::size_t tasks) {
  const std::size_t share = (rows + tasks - 1) / tasks;
  const std::size_t first = std::min(rows, index * share);
  return {first, std::min(share, rows - first)};
}

}  // namespace gradatim
