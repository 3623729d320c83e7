// The kernel tests on one instruction set of those that this processor has:
//   instruction_set_tests --instruction-set=AVX2 [GoogleTest options]
#include <gtest/gtest.h>
#include <hwy/highway.h>
#include <hwy/targets.h>

#include <iostream>
#include <string_view>

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  constexpr std::string_view kOption = "--instruction-set=";
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (!argument.starts_with(kOption)) continue;
    const std::string_view wanted = argument.substr(kOption.size());
    std::int64_t target = 0;
    for (const std::int64_t each : hwy::SupportedAndGeneratedTargets())
      if (wanted == hwy::TargetName(each)) target = each;
    if (target == 0) {
      std::cout << "skipped: this processor or build has no " << wanted << "\n";
      return 77;  // ctest's SKIP_RETURN_CODE
    }
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
  return RUN_ALL_TESTS();
}
