#include "gradatim/train/model_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "gradatim/core/error.hpp"
#include "gradatim/io/safetensors.hpp"
#include "gradatim/io/sha256.hpp"
#include "gradatim/train/recipe.hpp"

namespace gradatim {
namespace {

constexpr const char* kNetworkKey = "gradatim.network";
constexpr const char* kClassesKey = "gradatim.classes";
constexpr const char* kInputsKey = "gradatim.inputs";
constexpr const char* kFeaturesKey = "gradatim.features";
constexpr const char* kTargetsKey = "gradatim.targets";
constexpr const char* kHashKey = "gradatim.parameters_sha256";

[[noreturn]] void fail(const std::filesystem::path& path, std::string_view message) {
  throw DataError(fmt::format("model {}: {}", path.string(), message));
}

void copy_tensor(const std::filesystem::path& path, const SafetensorsFile& file,
                 const ParameterTensor& wanted, Parameters& parameters) {
  const auto found = std::find_if(file.tensors.begin(), file.tensors.end(),
                                  [&](const NamedTensor& t) { return t.name == wanted.name; });
  if (found == file.tensors.end())
    fail(path, fmt::format("expected a tensor '{}' {}, there is none", wanted.name,
                           wanted.shape.to_string()));
  if (found->values.shape() != wanted.shape)
    fail(path, fmt::format("tensor '{}': expected shape {}, got {}", wanted.name,
                           wanted.shape.to_string(), found->values.shape().to_string()));
  const auto values = found->values.values();
  const auto bad = std::find_if_not(values.begin(), values.end(),
                                    [](float value) { return std::isfinite(value); });
  if (bad != values.end())
    fail(path, fmt::format("tensor '{}': expected finite values, got {} at {}", wanted.name, *bad,
                           bad - values.begin()));
  std::copy(values.begin(), values.end(),
            parameters.theta().begin() + static_cast<std::ptrdiff_t>(wanted.offset));
}

void copy_parameters(const std::filesystem::path& path, const SafetensorsFile& file,
                     Parameters& parameters) {
  const auto& wanted = parameters.layout().tensors;
  for (const ParameterTensor& tensor : wanted) copy_tensor(path, file, tensor, parameters);
  for (const NamedTensor& tensor : file.tensors)
    if (std::none_of(wanted.begin(), wanted.end(),
                     [&](const ParameterTensor& w) { return w.name == tensor.name; }))
      fail(path, fmt::format("tensor '{}' {} belongs to another network", tensor.name,
                             tensor.values.shape().to_string()));
}

Network network_of(const std::filesystem::path& path, const Metadata& metadata) {
  const auto found = metadata.find(kNetworkKey);
  if (found == metadata.end()) fail(path, fmt::format("its metadata have no '{}'", kNetworkKey));
  try {
    return parse_network(found->second, kNetworkKey);
  } catch (const InvalidArgument& error) {
    fail(path, error.what());
  }
}

std::vector<std::string> class_names_of(const std::filesystem::path& path,
                                        const Metadata& metadata) {
  const auto found = metadata.find(kClassesKey);
  if (found == metadata.end()) return {};
  const auto names = nlohmann::json::parse(found->second, nullptr, /*allow_exceptions=*/false);
  const bool strings = names.is_array() && std::all_of(names.begin(), names.end(),
                                                       [](auto& name) { return name.is_string(); });
  if (!strings) fail(path, fmt::format("expected '{}' to be an array of strings", kClassesKey));
  return names.get<std::vector<std::string>>();
}

std::vector<Column> columns_of(const nlohmann::json& json) {
  std::vector<Column> columns;
  for (const auto& column : json)
    columns.push_back({.name = column.at("name").get<std::string>(),
                       .mean = column.at("mean").get<float>(),
                       .deviation = column.at("deviation").get<float>()});
  return columns;
}

nlohmann::ordered_json json_of(std::span<const Column> columns) {
  auto json = nlohmann::ordered_json::array();
  for (const Column& column : columns)
    json.push_back({{"name", column.name},
                    {"mean", static_cast<double>(column.mean)},
                    {"deviation", static_cast<double>(column.deviation)}});
  return json;
}

bool are_scalings(std::span<const Column> columns, std::size_t expected) {
  return columns.size() == expected && std::ranges::all_of(columns, [](const Column& column) {
           return std::isfinite(column.mean) && std::isfinite(column.deviation) &&
                  column.deviation > 0;
         });
}

void check_columns(const std::filesystem::path& path, const char* key,
                   std::span<const Column> columns, std::size_t expected) {
  if (!are_scalings(columns, expected))
    fail(path, fmt::format("expected '{}' to be {} columns of finite mean and positive deviation",
                           key, expected));
}

void read_features(const std::filesystem::path& path, const Metadata& metadata, Model& model) {
  const auto found = metadata.find(kFeaturesKey);
  if (found == metadata.end()) return;
  try {
    model.columns.features = columns_of(nlohmann::json::parse(found->second));
  } catch (const nlohmann::json::exception&) {
    fail(path,
         fmt::format("expected '{}' to be an array of name, mean and deviation", kFeaturesKey));
  }
  check_columns(path, kFeaturesKey, model.columns.features, model.network.input.size());
}

void read_targets(const std::filesystem::path& path, const Metadata& metadata, Model& model) {
  const auto found = metadata.find(kTargetsKey);
  if (found == metadata.end()) return;
  try {
    const auto targets = nlohmann::json::parse(found->second);
    model.columns.targets = columns_of(targets.at("columns"));
    model.kind = targets.at("kind") == "labels" ? TargetKind::labels : TargetKind::values;
  } catch (const nlohmann::json::exception&) {
    fail(path, fmt::format("expected '{}' to be a kind and columns of name, mean and deviation",
                           kTargetsKey));
  }
  check_columns(path, kTargetsKey, model.columns.targets, output_shape(model.network).size());
}

void add_columns(const Model& model, Metadata& metadata) {
  if (!model.columns.features.empty()) {
    metadata[kFeaturesKey] = json_of(model.columns.features).dump();
    metadata[kInputsKey] = "(x - mean) / deviation";
  }
  if (model.kind != TargetKind::classes)
    metadata[kTargetsKey] =
        nlohmann::ordered_json{{"kind", model.kind == TargetKind::labels ? "labels" : "values"},
                               {"columns", json_of(model.columns.targets)}}
            .dump();
}

// Files from elsewhere, or whose weights were changed on purpose, have none.
void check_hash(const std::filesystem::path& path, const Metadata& metadata,
                const Parameters& parameters) {
  const auto found = metadata.find(kHashKey);
  if (found == metadata.end()) return;
  const std::string got = parameters_sha256(parameters.theta());
  if (got != found->second)
    fail(path,
         fmt::format("damaged: expected parameters of SHA-256 {}, got {}; whoever changed them "
                     "on purpose removes '{}' from its metadata",
                     found->second, got, kHashKey));
}

Parameters parameters_for(const std::filesystem::path& path, const Network& network,
                          const SafetensorsFile& file) {
  try {
    ParameterLayout layout = parameter_layout(network);
    std::size_t available = 0;
    for (const NamedTensor& tensor : file.tensors) available += tensor.values.size();
    // Before memory is taken for whatever a file of a few bytes claims its network to be.
    if (layout.size != available)
      fail(path,
           fmt::format("its network has {} parameters, its tensors {}", layout.size, available));
    return Parameters(std::move(layout));
  } catch (const InvalidArgument& error) {
    fail(path, error.what());
  }
}

// Of the file's own network.
Parameters own_parameters(const std::filesystem::path& path, const Network& network,
                          const SafetensorsFile& file) {
  Parameters parameters = parameters_for(path, network, file);
  copy_parameters(path, file, parameters);
  check_hash(path, file.metadata, parameters);
  return parameters;
}

}  // namespace

void save_model(const std::filesystem::path& path, const Model& model) {
  const std::size_t outputs = output_shape(model.network).size();
  if (model.kind != TargetKind::classes && !are_scalings(model.columns.targets, outputs))
    throw InvalidArgument(
        fmt::format("model {}: expected {} columns of targets, of finite mean and positive "
                    "deviation, got {} columns",
                    path.string(), outputs, model.columns.targets.size()));
  Metadata metadata{{kNetworkKey, to_toml(model.network)},
                    {kClassesKey, nlohmann::json(model.class_names).dump()},
                    {kInputsKey, "bytes / 255"}};
  metadata[kHashKey] = parameters_sha256(model.parameters.theta());
  add_columns(model, metadata);
  std::vector<NamedView> views;
  for (const ParameterTensor& tensor : model.parameters.layout().tensors)
    views.push_back({tensor.name, model.parameters[tensor.name]});
  write_safetensors(path, metadata, views);
}

Model load_model(const std::filesystem::path& path) {
  const SafetensorsFile file = read_safetensors(path);
  Model model;
  model.network = network_of(path, file.metadata);
  model.class_names = class_names_of(path, file.metadata);
  model.parameters = own_parameters(path, model.network, file);
  read_features(path, file.metadata, model);
  read_targets(path, file.metadata, model);
  return model;
}

void load_parameters(const std::filesystem::path& path, Parameters& parameters) {
  const SafetensorsFile file = read_safetensors(path);
  // A hash is of the file's own network, whose layers may have another order than those asked for:
  // without that network it says nothing.
  if (file.metadata.contains(kHashKey) && file.metadata.contains(kNetworkKey))
    own_parameters(path, network_of(path, file.metadata), file);
  copy_parameters(path, file, parameters);
}

std::string parameters_sha256(std::span<const float> theta) {
  return sha256_hex(std::as_bytes(theta));
}

}  // namespace gradatim
