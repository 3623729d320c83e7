#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "gradatim/data/dataset.hpp"
#include "io/process.hpp"
#include "support/temporary_folder.hpp"

namespace gradatim::test {

struct Outcome {
  int exit_code = 0;
  std::string out;
  std::string err;

  /// The last line of stdout, parsed; throws unless it is JSON.
  nlohmann::json json() const;
};

/// A folder to run the command in, with a small data set in data/ (6 x 6 images under the names of
/// MNIST's files), a recipe `tiny` in recipes/ that learns it, and no other data to be found.
class Workshop {
 public:
  Workshop();

  std::filesystem::path operator/(std::string_view name) const { return folder_ / name; }

  /// Runs `gradatim ARGUMENTS...` in the folder.
  Outcome gradatim(const std::vector<std::string>& arguments) const;
  /// The same behind other words: {"timeout", "-s", "INT", "2"}.
  Outcome gradatim_under(const std::vector<std::string>& wrapper,
                         const std::vector<std::string>& arguments) const;
  /// Runs a shell script in the folder in which $GRADATIM is the command.
  Outcome shell(const std::string& script) const;

  /// `gradatim train tiny --data-dir data --json MORE...`
  Outcome train(const std::vector<std::string>& more = {}) const;

 private:
  Outcome run(std::vector<std::string> words) const;

  TemporaryFolder folder_;
};

void write_idx(const std::filesystem::path& path, const ByteTensor& values);

}  // namespace gradatim::test
