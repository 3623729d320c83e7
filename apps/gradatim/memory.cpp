#include "memory.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <variant>

#include "gradatim/core/error.hpp"
#include "gradatim/nn/operation.hpp"
#include "gradatim/nn/parameters.hpp"

namespace gradatim::app {
namespace {

double bytes_of_parameters(const Network& network) {
  return 2.0 * sizeof(float) * static_cast<double>(parameter_layout(network).size);
}

double bytes_of_sample(const Network& network) {
  std::size_t widest = 0;
  const auto operations = make_operations(network);
  for (std::size_t i = 0; i < operations.size(); ++i)  // convolutions may be fused with their pool
    if (!std::holds_alternative<Conv2d>(network.layers[i]))
      widest = std::max(widest, operations[i]->output().size());
  return 2.0 * static_cast<double>(network.input.size()) +
         static_cast<double>(sizeof(float) * widest);
}

}  // namespace

double least_bytes_of_step(const Recipe& recipe) {
  return bytes_of_parameters(recipe.network) +
         bytes_of_sample(recipe.network) * static_cast<double>(recipe.options.batch) +
         sizeof(std::uint32_t) * static_cast<double>(samples_per_step(recipe.options));
}

void require_memory(const Recipe& recipe) {
  const double needed = least_bytes_of_step(recipe);
  const double memory =
      static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE));
  if (!(memory > 0) || !(needed > memory)) return;
  throw InvalidArgument(fmt::format(
      "{}: a step of {} samples takes at least {:.1f} GB, and this machine has {:.1f} GB of memory",
      recipe.name, recipe.options.batch, needed / 1e9, memory / 1e9));
}

}  // namespace gradatim::app
