#include "nn/image_changes.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "gradatim/core/pooling.hpp"
#include "support/numbers.hpp"

namespace gradatim {
namespace {

using kernels::ImageShape;
using kernels::Window;
using test::uniform_tensor;

void clear_all_but(std::span<float> row, std::size_t channels, std::vector<std::size_t> kept) {
  const std::size_t area = row.size() / channels;
  for (std::size_t c = 0; c < channels; ++c)
    if (std::ranges::find(kept, c) == kept.end())
      std::ranges::fill(row.subspan(c * area, area), c % 2 == 0 ? 0.0F : -0.0F);
}

// Rows that touch no channel, one, others, some and all, one after the other and side by side.
TEST(ConvolutionChange, IsTheConvolutionHoweverManyChannelsChange) {
  for (const std::size_t groups : {1U, 2U})
    for (const std::size_t stride : {1U, 2U}) {
      const ImageShape image{4, 7, 6};
      const Window window{3, stride, 1};
      const kernels::Convolution convolution(image, window, 6, groups);
      const Tensor w = uniform_tensor({convolution.weights()}, 1, -1.0F, 1.0F);
      const std::vector<std::vector<std::size_t>> touched{{},  {0},    {0},          {3}, {1, 2},
                                                          {2}, {0, 3}, {0, 1, 2, 3}, {},  {1}};
      Tensor dx = uniform_tensor({touched.size(), image.size()}, 2, -1.0F, 1.0F);
      for (std::size_t i = 0; i < touched.size(); ++i)
        clear_all_but(dx.view().row(i), 4, touched[i]);
      Tensor expected({touched.size(), convolution.output().size()});
      convolution.forward(w.values(), std::vector<float>(6), dx, expected);
      Tensor dy(expected.shape());
      std::ranges::fill(dy.values(), 99.0F);
      const ConvolutionChange change({image, window, convolution.output(), groups});
      change(convolution, w.values(), dx, dy);
      for (std::size_t i = 0; i < dy.size(); ++i)
        EXPECT_NEAR(dy.values()[i], expected.values()[i], 2e-6) << i << ", groups " << groups;
    }
}

// Largest of the moved values less the largest of the values, by definition.
TEST(MaxPoolChange, IsTheDifferenceOfPools) {
  for (const Window& window :
       {Window{2, 2, 0}, Window{3, 2, 1}, Window{3, 1, 2}, Window{2, 3, 1}}) {
    const ImageShape image{3, 7, 5};
    const ImageShape output = kernels::pooled(image, window);
    const Tensor x = uniform_tensor({2, image.size()}, 1, -1.0F, 1.0F);
    Tensor dx = uniform_tensor({6, image.size()}, 2, -0.5F, 0.5F);
    for (std::size_t m = 0; m < 6; ++m) clear_all_but(dx.view().row(m), 3, {m % 3});
    Tensor y({2, output.size()});
    kernels::max_pool(image, window, x, y);
    Tensor moved(dx.shape());
    for (std::size_t m = 0; m < 6; ++m)
      for (std::size_t k = 0; k < image.size(); ++k)
        moved.view()(m, k) = x.view()(m % 2, k) + dx.view()(m, k);
    Tensor after({6, output.size()});
    kernels::max_pool(image, window, moved, after);
    Tensor dy(after.shape());
    max_pool_change(image, window, x, y, dx, dy);
    BasicTensor<std::uint8_t> crossed(dx.shape());
    max_pool_crossings(image, window, x, dx, crossed);
    for (std::size_t m = 0; m < 6; ++m)
      for (std::size_t k = 0; k < output.size(); ++k)
        EXPECT_NEAR(dy.view()(m, k), after.view()(m, k) - y.view()(m % 2, k), 1e-6)
            << m << ' ' << k;
    EXPECT_GT(std::ranges::count(crossed.values(), 1), 0);
  }
}

TEST(MaxPoolCrossings, AreWhereAnotherValueBecomesTheLargest) {
  const ImageShape image{1, 2, 4};
  const Window window{2, 2, 0};
  Tensor x({1, 8});
  x.values()[1] = 1.0F;  // of the first window (0, 1, 4, 5)
  x.values()[3] = 1.0F;  // of the second (2, 3, 6, 7)
  Tensor dx({1, 8});
  dx.values()[4] = 2.0F;
  dx.values()[6] = 0.5F;
  BasicTensor<std::uint8_t> crossed({1, 8});
  max_pool_crossings(image, window, x, dx, crossed);
  for (std::size_t k = 0; k < 8; ++k) EXPECT_EQ(crossed.values()[k], k == 4 ? 1 : 0) << k;
}

}  // namespace
}  // namespace gradatim
