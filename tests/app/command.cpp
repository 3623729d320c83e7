#include "app/command.hpp"

#include <algorithm>

#include "gradatim/io/file.hpp"
#include "support/datasets.hpp"

namespace gradatim::test {
namespace {

constexpr std::string_view kTiny = R"(data = "mnist"
input = [36]
layers = [
  { kind = "dense", units = 12, weight = "xavier" },
  "tanh",
  { kind = "dense", units = 10, weight = "xavier" },
]
optimizer = { kind = "sgd", learning_rate = 0.5 }
batch = 20
steps = 50
)";

ByteTensor as_bytes(const std::vector<std::int32_t>& labels) {
  ByteTensor bytes({labels.size()});
  std::transform(labels.begin(), labels.end(), bytes.values().begin(),
                 [](std::int32_t label) { return static_cast<std::uint8_t>(label); });
  return bytes;
}

}  // namespace

nlohmann::json Outcome::json() const {
  const std::string text = out.substr(0, out.find_last_not_of('\n') + 1);
  return nlohmann::json::parse(text.substr(text.find_last_of('\n') + 1));
}

void write_idx(const std::filesystem::path& path, const ByteTensor& values) {
  std::string file{'\0', '\0', '\x08', static_cast<char>(values.shape().rank())};
  for (const std::size_t extent : values.shape().extents())
    for (int shift = 24; shift >= 0; shift -= 8) file += static_cast<char>(extent >> shift);
  file.append(values.values().begin(), values.values().end());
  write_file(path, file);
}

Workshop::Workshop() {
  const Dataset data = striped_dataset();
  std::filesystem::create_directories(folder_ / "data");
  std::filesystem::create_directories(folder_ / "recipes");
  write_idx(folder_ / "data/train-images-idx3-ubyte", data.train.images);
  write_idx(folder_ / "data/train-labels-idx1-ubyte", as_bytes(data.train.labels));
  write_idx(folder_ / "data/t10k-images-idx3-ubyte", data.test.images);
  write_idx(folder_ / "data/t10k-labels-idx1-ubyte", as_bytes(data.test.labels));
  write_file(folder_ / "recipes/tiny.toml", kTiny);
}

Outcome Workshop::run(std::vector<std::string> words) const {
  const std::vector<std::string> environment{"env", "-C", folder_.path(),
                                             "GRADATIM_HOME=" + (folder_ / "home").string(),
                                             std::string("GRADATIM=") + GRADATIM_COMMAND};
  words.insert(words.begin(), environment.begin(), environment.end());
  const auto result = detail::run_process(words, "");
  return {result.exit_code, result.output, result.errors};
}

Outcome Workshop::gradatim_under(const std::vector<std::string>& wrapper,
                                 const std::vector<std::string>& arguments) const {
  std::vector<std::string> words = wrapper;
  words.emplace_back(GRADATIM_COMMAND);
  words.insert(words.end(), arguments.begin(), arguments.end());
  return run(words);
}

Outcome Workshop::gradatim(const std::vector<std::string>& arguments) const {
  return gradatim_under({}, arguments);
}

Outcome Workshop::shell(const std::string& script) const { return run({"sh", "-c", script}); }

Outcome Workshop::train(const std::vector<std::string>& more) const {
  std::vector<std::string> arguments{"train", "tiny", "--data-dir", "data", "--json"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return gradatim(arguments);
}

}  // namespace gradatim::test
