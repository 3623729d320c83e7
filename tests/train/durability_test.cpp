// What is on the disk when, which only the calls to fsync can tell.
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "gradatim/train/run_folder.hpp"
#include "support/datasets.hpp"
#include "support/temporary_folder.hpp"

namespace {

std::vector<std::string>& flushed_files() {
  static std::vector<std::string> files;
  return files;
}

}  // namespace

// In place of the C library's, for all of this program: keeps a list and does the same.
extern "C" int fsync(int descriptor) {
  std::error_code ignored;
  const std::filesystem::path link = "/proc/self/fd/" + std::to_string(descriptor);
  flushed_files().push_back(std::filesystem::read_symlink(link, ignored).filename());
  return static_cast<int>(::syscall(SYS_fsync, descriptor));
}

namespace gradatim {
namespace {

TEST(RunFolder, IsOnTheDiskBeforeItsSummarySaysThatItIsComplete) {
  const test::TemporaryFolder folder;
  const Dataset data = test::striped_dataset();
  Recipe recipe;
  recipe.network = Network({36}, {Dense{4}});
  recipe.options.steps = 5;
  RunRecorder recorder(folder.path(), recipe, data);
  flushed_files().clear();
  recorder.finish(train(recipe.network, data, recipe.options, &recorder), "/no/gnuplot");

  const auto& files = flushed_files();
  const auto find = [&](std::string_view name) {
    return std::find_if(files.begin(), files.end(),
                        [&](const std::string& file) { return file.find(name) != file.npos; });
  };
  ASSERT_NE(find("summary.json"), files.end());
  EXPECT_LT(find("metrics.csv"), find("summary.json"));
  EXPECT_LT(find("model.safetensors"), find("summary.json"));
}

}  // namespace
}  // namespace gradatim
