#include "gradatim/train/checkpoint.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "gradatim/core/error.hpp"
#include "gradatim/core/number_text.hpp"
#include "gradatim/io/sha256.hpp"

namespace gradatim {
namespace {

constexpr std::string_view kPrefix = "step-";
constexpr std::string_view kSuffix = ".safetensors";
constexpr const char* kRecipeKey = "gradatim.recipe";
constexpr const char* kDataKey = "gradatim.data_sha256";
constexpr const char* kMetricsKey = "gradatim.metrics_bytes";
constexpr const char* kStepKey = "gradatim.step";
constexpr const char* kLossKey = "gradatim.loss";
constexpr const char* kSecondsKey = "gradatim.seconds";
constexpr const char* kHashKey = "gradatim.sha256";
constexpr std::string_view kNumberPrefix = "gradatim.number.";

// Of everything but itself. Lengths keep what follows another apart.
template <class Tensors>
std::string content_hash(const Metadata& metadata, const Tensors& tensors) {
  std::string text;
  for (const auto& [key, value] : metadata)
    if (key != kHashKey) text += fmt::format("{} {}\n{}\n", key, value.size(), value);
  for (const auto& tensor : tensors) {
    const ConstTensorView view = tensor.values;
    text += fmt::format("{} {} {}\n", tensor.name.size(), tensor.name,
                        sha256_hex(std::as_bytes(view.values())));
  }
  return sha256_hex(std::as_bytes(std::span(text)));
}

Metadata metadata_of(const Checkpoint& checkpoint) {
  const TrainState& state = checkpoint.state;
  Metadata metadata{{kRecipeKey, checkpoint.recipe},
                    {kDataKey, checkpoint.data_sha256},
                    {kMetricsKey, fmt::format("{}", checkpoint.metrics_bytes)},
                    {kStepKey, fmt::format("{}", state.step)},
                    {kLossKey, fmt::format("{}", state.loss)},
                    {kSecondsKey, fmt::format("{}", state.seconds)}};
  for (const auto& [name, value] : state.numbers)
    metadata[fmt::format("{}{}", kNumberPrefix, name)] = fmt::format("{}", value);
  metadata[kHashKey] = content_hash(metadata, state.tensors);
  return metadata;
}

template <class Number>
Number number_of(const Metadata& metadata, const std::string& key) {
  const auto found = metadata.find(key);
  if (found == metadata.end()) throw DataError(fmt::format("its metadata have no '{}'", key));
  const auto number = number_in<Number>(found->second);
  if (!number)
    throw DataError(fmt::format("'{}': expected a number, got '{}'", key, found->second));
  return *number;
}

// The step that the name of a checkpoint gives, if it is one.
std::optional<std::size_t> step_of(const std::filesystem::path& file) {
  const std::string name = file.filename().string();
  if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix)) return std::nullopt;
  if (name.size() < kPrefix.size() + kSuffix.size()) return std::nullopt;
  return number_in<std::size_t>(
      std::string_view(name).substr(kPrefix.size(), name.size() - kPrefix.size() - kSuffix.size()));
}

template <class T>
std::string tensor_hash(const BasicTensor<T>& tensor) {
  return fmt::format("{} {}\n", tensor.size() != 0 ? tensor.shape().to_string() : "none",
                     sha256_hex(std::as_bytes(tensor.view().values())));
}

struct Entry {
  std::size_t step;
  std::filesystem::path file;
};

// The newest first.
std::vector<Entry> entries_of(const std::filesystem::path& folder) {
  std::vector<Entry> entries;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored))
    if (const auto step = step_of(entry.path())) entries.push_back({*step, entry.path()});
  std::ranges::sort(entries, std::greater(), &Entry::step);
  return entries;
}

}  // namespace

std::string data_sha256(const Dataset& data) {
  std::string text;
  for (const Split* split : {&data.train, &data.validation, &data.test})
    text += tensor_hash(split->images) + tensor_hash(split->features) +
            tensor_hash(split->targets) + sha256_hex(std::as_bytes(std::span(split->labels))) +
            "\n";
  for (const auto* columns : {&data.columns.features, &data.columns.targets})
    for (const Column& column : *columns)
      text += fmt::format("{} {} {}\n", column.name, column.mean, column.deviation);
  return sha256_hex(std::as_bytes(std::span(text)));
}

std::span<const float> find_tensor(const TrainState& state, std::string_view name,
                                   std::size_t size) {
  const auto found = std::ranges::find(state.tensors, name, &NamedView::name);
  if (found == state.tensors.end())
    throw DataError(fmt::format("state of step {}: expected a tensor '{}' ({}), there is none",
                                state.step, name, size));
  if (found->values.size() != size)
    throw DataError(fmt::format("state of step {}: tensor '{}': expected shape ({}), got {}",
                                state.step, name, size, found->values.shape().to_string()));
  return found->values.values();
}

void save_checkpoint(const std::filesystem::path& folder, const Checkpoint& checkpoint,
                     std::size_t keep) {
  std::error_code error;
  std::filesystem::create_directory(folder, error);
  if (error)
    throw DataError(fmt::format("make the folder {}: {}", folder.string(), error.message()));
  const auto name = fmt::format("{}{}{}", kPrefix, checkpoint.state.step, kSuffix);
  write_safetensors(folder / name, metadata_of(checkpoint), checkpoint.state.tensors);
  const auto entries = entries_of(folder);
  for (std::size_t i = std::max<std::size_t>(keep, 1); i < entries.size(); ++i)
    std::filesystem::remove(entries[i].file, error);
}

StoredCheckpoint load_checkpoint(const std::filesystem::path& file) {
  SafetensorsFile content = read_safetensors(file);
  const Metadata& metadata = content.metadata;
  try {
    const auto hash = metadata.find(kHashKey);
    if (hash == metadata.end() || hash->second != content_hash(metadata, content.tensors))
      throw DataError("its contents are not those it was written with");
    StoredCheckpoint stored{
        .checkpoint = {.recipe = {}, .data_sha256 = {}, .metrics_bytes = 0, .state = {}},
        .tensors = std::move(content.tensors)};
    if (const auto recipe = metadata.find(kRecipeKey); recipe != metadata.end())
      stored.checkpoint.recipe = recipe->second;
    if (const auto data = metadata.find(kDataKey); data != metadata.end())
      stored.checkpoint.data_sha256 = data->second;
    stored.checkpoint.metrics_bytes = number_of<std::uint64_t>(metadata, kMetricsKey);
    TrainState& state = stored.checkpoint.state;
    state.step = number_of<std::size_t>(metadata, kStepKey);
    state.loss = number_of<double>(metadata, kLossKey);
    state.seconds = number_of<double>(metadata, kSecondsKey);
    for (const auto& [key, value] : metadata)
      if (key.starts_with(kNumberPrefix))
        state.numbers[key.substr(kNumberPrefix.size())] = number_of<double>(metadata, key);
    for (const NamedTensor& tensor : stored.tensors)
      state.tensors.push_back({tensor.name, tensor.values});
    return stored;
  } catch (const DataError& error) {
    throw DataError(fmt::format("checkpoint {}: {}", file.string(), error.what()));
  }
}

CheckpointSearch find_checkpoint(const std::filesystem::path& folder) {
  CheckpointSearch search;
  for (const Entry& entry : entries_of(folder)) {
    try {
      search.newest = load_checkpoint(entry.file);
      return search;
    } catch (const DataError& error) {
      search.damaged.push_back(entry.file);
      search.reasons.emplace_back(error.what());
    }
  }
  return search;
}

}  // namespace gradatim
