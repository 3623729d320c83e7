#include "test_rows.hpp"

#include <fmt/format.h>

#include "gradatim/core/error.hpp"
#include "gradatim/train/recipe_data.hpp"

namespace gradatim::app {

void require_test_rows(const Recipe& recipe, const Dataset& data) {
  const float share = recipe.table.test;
  if (!is_table(recipe.data) || data.test.size() != 0 || share == 0 || share == TableOptions{}.test)
    return;
  throw InvalidArgument(
      fmt::format("table.test: {} of {} samples are none; leave it out, or hold out more", share,
                  data.train.size() + data.validation.size()));
}

}  // namespace gradatim::app
