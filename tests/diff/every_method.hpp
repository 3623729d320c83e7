#pragma once

#include <gtest/gtest.h>

#include "gradatim/diff/methods.hpp"

namespace gradatim::test {

using Methods = testing::Types<Forward, Central, Stencil, Richardson, Ridders, ComplexStep,
                               Adaptive, Dual, Tape>;

}  // namespace gradatim::test
