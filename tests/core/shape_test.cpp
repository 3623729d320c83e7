#include "gradatim/core/shape.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <type_traits>

#include "gradatim/core/error.hpp"
#include "gradatim/core/tensor.hpp"

namespace gradatim {
namespace {

TEST(Shape, SizeAndText) {
  EXPECT_EQ(Shape{}.size(), 1U);
  EXPECT_EQ(Shape{}.to_string(), "()");
  EXPECT_EQ((Shape{784, 50}).size(), 39'200U);
  EXPECT_EQ((Shape{784, 50}).to_string(), "(784, 50)");
  EXPECT_EQ((Shape{3, 0, 2}).size(), 0U);
  EXPECT_EQ((Shape{28, 28}).batched(100), (Shape{100, 28, 28}));
  EXPECT_EQ((Shape{100, 28, 28}).sample(), (Shape{28, 28}));
  EXPECT_NE((Shape{2, 3}), (Shape{3, 2}));
}

TEST(Shape, RejectsOverflowAndExcessRank) {
  EXPECT_THROW((Shape{SIZE_MAX, 2}), ShapeError);
  EXPECT_THROW((Shape{1, 1, 1, 1, 1, 1, 1}), ShapeError);
  EXPECT_THROW((Shape{1, 1, 1, 1, 1, 1}).batched(2), ShapeError);
  EXPECT_THROW(Shape{}.sample(), ShapeError);
}

static_assert(std::is_copy_constructible_v<TensorView<float>>);
static_assert(std::is_convertible_v<TensorView<float>, ConstTensorView>);
static_assert(!std::is_convertible_v<ConstTensorView, TensorView<float>>);
static_assert(!std::is_convertible_v<TensorView<std::uint8_t>, ConstTensorView>);

TEST(TensorView, ChecksItsSizeAndNamesBoth) {
  std::vector<float> values(5);
  try {
    TensorView<float>(values, {2, 3});
    FAIL() << "six values were expected";
  } catch (const ShapeError& error) {
    EXPECT_EQ(std::string(error.what()), "tensor view (2, 3): expected 6 values, got 5");
  }
}

TEST(Tensor, IsAlignedZeroAndAValue) {
  Tensor a({3, 5});
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(a.data()) % kAlignment, 0U);
  for (const float v : a.values()) EXPECT_EQ(v, 0.0F);
  Tensor b = a;
  b.view()(2, 4) = 7;
  EXPECT_EQ(b.view()(2, 4), 7.0F);
  EXPECT_EQ(a.view()(2, 4), 0.0F);
}

TEST(Tensor, TakesValuesOver) {
  AlignedVector<float> values{1, 2, 3, 4, 5, 6};
  const float* where = values.data();
  const Tensor a({2, 3}, std::move(values));
  EXPECT_EQ(a.data(), where);
  EXPECT_EQ(a.view()(1, 2), 6.0F);
  EXPECT_THROW(Tensor({2, 2}, AlignedVector<float>(5)), ShapeError);
}

TEST(Tensor, SlicesShareMemoryAndAreChecked) {
  Tensor a({4, 2});
  const auto middle = a.view().slice(1, 2);
  EXPECT_EQ(middle.shape(), (Shape{2, 2}));
  middle(0, 1) = 5;
  EXPECT_EQ(a.view()(1, 1), 5.0F);
  EXPECT_THROW(a.view().slice(3, 2), ShapeError);
  EXPECT_THROW(a.view().slice(5, 0), ShapeError);
  EXPECT_THROW(a.view().reshaped({3, 3}), ShapeError);
}

}  // namespace
}  // namespace gradatim
