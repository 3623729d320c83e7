#include "train/decaying.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "gradatim/core/error.hpp"
#include "gradatim/core/nearest.hpp"

namespace gradatim {
namespace {

struct Names {
  std::string_view tensor, layer, role;
};

Names names_of(const ParameterTensor& tensor) {
  const std::string_view name = tensor.name;
  const std::size_t dot = name.find('.');
  return {name, name.substr(0, dot), name.substr(dot + 1)};
}

bool stands_for(std::string_view given, const Names& names) {
  return given == names.tensor || given == names.layer || given == names.role;
}

void check_names(const ParameterLayout& layout, std::span<const std::string> given) {
  for (const std::string& name : given) {
    if (name == "bias") continue;  // the default; a network without any is no mistake
    std::vector<std::string_view> known;
    bool found = false;
    for (const ParameterTensor& tensor : layout.tensors) {
      const Names names = names_of(tensor);
      known.insert(known.end(), {names.tensor, names.layer, names.role});
      found = found || stands_for(name, names);
    }
    if (!found)
      throw InvalidArgument(fmt::format("no_decay: no parameters are called '{}'{}", name,
                                        did_you_mean(name, known)));
  }
}

}  // namespace

std::vector<ParameterRange> decaying_parameters(const ParameterLayout& layout,
                                                std::span<const std::string> except) {
  check_names(layout, except);
  std::vector<ParameterRange> decaying;
  for (const ParameterTensor& tensor : layout.tensors)
    if (tensor.trained &&
        std::ranges::none_of(except, [&, names = names_of(tensor)](const std::string& given) {
          return stands_for(given, names);
        }))
      decaying.push_back({tensor.offset, tensor.shape.size()});
  return decaying;
}

}  // namespace gradatim
