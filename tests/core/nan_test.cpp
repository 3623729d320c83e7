// A NaN comes out of every kernel that it goes into, wherever in a vector or window it stands.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "gradatim/core/convolution.hpp"
#include "gradatim/core/kernels.hpp"
#include "gradatim/core/pooling.hpp"
#include "gradatim/core/reference.hpp"
#include "support/numbers.hpp"

namespace gradatim {
namespace {

using kernels::Convolution;
using kernels::ImageShape;
using kernels::Window;
using test::uniform_tensor;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

std::vector<bool> nans(std::span<const float> x) {
  std::vector<bool> is_nan;
  is_nan.reserve(x.size());
  for (const float value : x) is_nan.push_back(std::isnan(value));
  return is_nan;
}

TEST(Nan, IsTheLargerOfTwo) {
  EXPECT_TRUE(std::isnan(reference::larger(kNan, 1.0F)));
  EXPECT_TRUE(std::isnan(reference::larger(1.0F, kNan)));
  EXPECT_TRUE(std::isnan(reference::larger(kNan, kNan)));
  EXPECT_EQ(reference::larger(-1.0F, 2.0F), 2.0F);
  EXPECT_EQ(reference::larger(2.0F, -1.0F), 2.0F);
  EXPECT_TRUE(std::isnan(reference::relu(kNan)));
}

TEST(Nan, PassesElementByElement) {
  using Kernel = void (*)(std::span<const float>, std::span<float>);
  const Kernel all[] = {
      kernels::sigmoid,
      kernels::relu,
      kernels::tanh,
      kernels::silu,
      kernels::gelu,
      kernels::softplus,
      [](std::span<const float> x, std::span<float> y) { kernels::leaky_relu(x, y, 0.1F); }};
  for (const Kernel kernel : all)
    for (std::size_t at = 0; at < 37; ++at) {
      Tensor x = uniform_tensor({37}, 1);
      x.values()[at] = kNan;
      Tensor y({37});
      kernel(x.values(), y.values());
      EXPECT_EQ(nans(y.values()), nans(x.values())) << at;
    }
}

TEST(Nan, FillsItsRowOfASoftmax) {
  for (const std::size_t columns : {1U, 2U, 7U, 16U, 17U, 33U})
    for (std::size_t at = 0; at < columns; ++at) {
      Tensor x = uniform_tensor({2, columns}, 1);
      x.view()(1, at) = kNan;
      Tensor y(x.shape());
      kernels::softmax(x, y);
      EXPECT_EQ(nans(y.view().row(0)), std::vector<bool>(columns, false));
      EXPECT_EQ(nans(y.view().row(1)), std::vector<bool>(columns, true)) << at;
    }
}

// The first and the last of several windows and channels, each of its values in turn.
TEST(Nan, PassesEveryPool) {
  for (const Window& window : {Window{2, 2, 0}, {3, 1, 1}, {3, 2, 0}})
    for (const std::size_t width : {2U, 4U, 6U, 14U, 34U, 70U}) {
      const ImageShape image{2, 4, width};
      if (window.size > width) continue;
      const ImageShape output = kernels::pooled(image, window);
      for (std::size_t at = 0; at < image.size(); ++at) {
        Tensor x = uniform_tensor({1, image.size()}, 1);
        x.values()[at] = kNan;
        Tensor y({1, output.size()});
        kernels::max_pool(image, window, x, y);
        Tensor mean(y.shape());
        kernels::average_pool(image, window, x, mean);
        EXPECT_EQ(nans(y.values()), nans(mean.values())) << "width " << width << ", at " << at;
        if (window == Window{2, 2, 0}) {
          EXPECT_EQ(std::ranges::count(nans(y.values()), true), 1);
        }
      }
    }
}

// A filter a channel: outputs are NaN where a window sees one and nowhere else, gradients in the
// sample or the filter of a channel that has one, at least where it is met.
TEST(Nan, StaysInItsPlane) {
  constexpr std::size_t kRows = 2;
  constexpr std::size_t kChannels = 3;
  for (const std::size_t stride : {1U, 2U}) {
    const ImageShape image{kChannels, 7, 6};
    const Convolution convolution(image, {3, stride, 1}, kChannels, kChannels);
    const ImageShape out = convolution.output();
    const std::size_t area = out.height * out.width;
    Tensor x = uniform_tensor({kRows, image.size()}, 1);
    x.values()[42 + 2 * 6 + 3] = kNan;  // (2, 3) of channel 1 of sample 0
    const Tensor w = uniform_tensor({convolution.weights()}, 2);
    const Tensor b = uniform_tensor({kChannels}, 3);
    Tensor y({kRows, out.size()});
    convolution.forward(w.values(), b.values(), x, y);
    for (std::size_t i = 0; i < y.size(); ++i) {
      const std::size_t row = i % area / out.width * stride;  // of the padded image
      const std::size_t column = i % out.width * stride;
      const bool sees = i / area == 1 && row <= 3 && 3 <= row + 2 && column <= 4 && 4 <= column + 2;
      EXPECT_EQ(std::isnan(y.values()[i]), sees) << "stride " << stride << ", output " << i;
    }
    Tensor dw(w.shape());
    Tensor db(b.shape());
    convolution.add_gradient(x, y, dw.values(), db.values());
    for (std::size_t i = 0; i < dw.size(); ++i)
      EXPECT_EQ(std::isnan(dw.values()[i]), i / 9 == 1) << "stride " << stride << ", weight " << i;
    Tensor dx(x.shape());
    convolution.backward(w.values(), y, dx);
    for (std::size_t i = 0; i < dx.size(); ++i)
      if (i / 42 != 1) {
        EXPECT_FALSE(std::isnan(dx.values()[i])) << "stride " << stride << ", input " << i;
      }
    EXPECT_TRUE(std::isnan(dx.values()[42 + 2 * 6 + 3]));
  }
}

// A NaN of the image reaches the windows that see it, one of the weights its filter: as
// convolution, pool and relu one by one.
TEST(Nan, PassesPooledConvolutions) {
  constexpr Window kPool{2, 2, 0};
  const ImageShape image{3, 8, 10};
  for (const std::size_t filters : {1U, 5U, 16U, 33U})
    for (const bool relu : {false, true})
      for (const bool in_weights : {false, true}) {
        const Convolution convolution(image, {3, 1, 1}, filters, 1);
        const std::size_t places = in_weights ? convolution.weights() : image.size();
        for (std::size_t at = 0; at < places; at += 7) {
          Tensor x = uniform_tensor({1, image.size()}, 1);
          Tensor w = uniform_tensor({convolution.weights()}, 2);
          const Tensor b = uniform_tensor({filters}, 3);
          (in_weights ? w : x).values()[at] = kNan;

          Tensor convolved({1, convolution.output().size()});
          Tensor expected({1, convolution.pooled_output().size()});
          convolution.forward(w.values(), b.values(), x, convolved);
          kernels::average_pool(convolution.output(), kPool, convolved, expected);
          ASSERT_GT(std::ranges::count(nans(expected.values()), true), 0);

          Tensor y(expected.shape());
          ByteTensor kept({1, convolution.places()});
          convolution.forward_pooled(w.values(), b.values(), relu, x, y, kept.view());
          EXPECT_EQ(nans(y.values()), nans(expected.values())) << filters << " filters, at " << at;
          EXPECT_LE(*std::ranges::max_element(kept.values()), 3);
          convolution.forward_pooled(w.values(), b.values(), relu, x, y, {});
          EXPECT_EQ(nans(y.values()), nans(expected.values())) << filters << " filters, at " << at;
        }
      }
}

// Blank parts of an image are skipped: a NaN is no blank.
TEST(Nan, PassesConvolutionsOfBlankImages) {
  const ImageShape image{1, 9, 20};
  constexpr std::size_t kFilters = 20;  // fewer would go plane by plane
  const Convolution convolution(image, {5, 1, 2}, kFilters, 1);
  const ImageShape out = convolution.output();
  for (std::size_t at = 0; at < image.size(); at += 7) {
    Tensor x({1, image.size()});
    x.values()[at] = kNan;
    const Tensor w = uniform_tensor({convolution.weights()}, 2);
    const Tensor b = uniform_tensor({kFilters}, 3);
    Tensor y({1, out.size()});
    convolution.forward(w.values(), b.values(), x, y);
    const auto apart = [](std::size_t i, std::size_t j) { return i < j ? j - i : i - j; };
    for (std::size_t i = 0; i < y.size(); ++i) {
      const std::size_t pixel = i % (9 * 20);
      const bool sees = apart(pixel / 20, at / 20) <= 2 && apart(pixel % 20, at % 20) <= 2;
      EXPECT_EQ(std::isnan(y.values()[i]), sees) << "NaN at " << at << ", output " << i;
      if (!sees) {
        EXPECT_EQ(y.values()[i], b.values()[i / (9 * 20)]);
      }
    }
  }
}

TEST(Nan, PassesGradientsOfPooledConvolutions) {
  const ImageShape image{1, 8, 10};
  const Convolution convolution(image, {3, 1, 1}, 5, 1);
  const Tensor x = uniform_tensor({1, image.size()}, 1);
  const Tensor y = uniform_tensor({1, convolution.pooled_output().size()}, 2);
  const ByteTensor places({1, convolution.places()});
  for (const bool relu : {false, true})
    for (std::size_t at = 0; at < y.size(); ++at) {
      if (relu && y.values()[at] <= 0) continue;
      Tensor dy = uniform_tensor(y.shape(), 3);
      dy.values()[at] = kNan;
      Tensor dw({convolution.weights()});
      Tensor db({5});
      convolution.add_gradient_pooled(
          x, {.relu = relu, .y = y.view(), .dy = dy.view(), .places = places.view()}, dw.values(),
          db.values());
      const std::size_t filter = at / (y.size() / 5);
      for (std::size_t f = 0; f < 5; ++f) EXPECT_EQ(std::isnan(db.values()[f]), f == filter);
      EXPECT_TRUE(std::isnan(dw.values()[filter * 9 + 4])) << at;
    }
}

}  // namespace
}  // namespace gradatim
