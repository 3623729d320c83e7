#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "gradatim/core/error.hpp"

namespace gradatim::test {

/// The message of the Expected that `action` throws; fails the test if it throws none.
template <class Expected = Error, class Action>
std::string message_of(Action&& action) {
  try {
    action();
  } catch (const Expected& error) {
    return error.what();
  }
  ADD_FAILURE() << "an error was expected";
  return {};
}

inline ::testing::AssertionResult contains(std::string_view text, std::string_view part) {
  if (text.find(part) != std::string_view::npos) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "\"" << part << "\" is not in: " << text.substr(0, 1000);
}

}  // namespace gradatim::test

#define EXPECT_CONTAINS(text, part) EXPECT_TRUE(::gradatim::test::contains(text, part))
