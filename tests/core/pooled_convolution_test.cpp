#include <gtest/gtest.h>

#include <vector>

#include "gradatim/core/convolution.hpp"
#include "gradatim/core/error.hpp"
#include "gradatim/core/kernels.hpp"
#include "gradatim/core/pooling.hpp"
#include "support/numbers.hpp"

namespace gradatim {
namespace {

using kernels::Convolution;
using kernels::ImageShape;
using kernels::Window;
using test::uniform_tensor;

constexpr Window kPool{2, 2, 0};

struct Case {
  ImageShape image;
  Window window;
  std::size_t filters;
};

// What fills vectors and blocks of channels and what does not; strides, padding, one pixel.
const std::vector<Case> kCases = {
    {{1, 28, 28}, {5, 1, 0}, 30}, {{1, 9, 7}, {2, 1, 0}, 1},    {{3, 11, 13}, {4, 1, 2}, 5},
    {{16, 8, 8}, {3, 1, 1}, 16},  {{32, 6, 6}, {3, 1, 2}, 33},  {{2, 13, 13}, {3, 2, 2}, 17},
    {{64, 4, 4}, {1, 1, 0}, 8},   {{5, 12, 16}, {7, 1, 3}, 20}, {{7, 2, 2}, {1, 1, 0}, 3},
};

// Convolution, pool and relu one after the other: convolution_test.cpp and kernels_test.cpp hold
// them to what defines them.
struct OneByOne {
  Tensor y, dw, db, dx;

  OneByOne(const Convolution& convolution, const Case& of, bool relu, const Tensor& x,
           const Tensor& w, const Tensor& b, const Tensor& dy)
      : y(dy.shape()), dw(w.shape()), db(b.shape()), dx(x.shape()) {
    const std::size_t rows = x.shape()[0];
    Tensor convolved({rows, convolution.output().size()});
    Tensor d_convolved(convolved.shape());
    convolution.forward(w.values(), b.values(), x, convolved);
    kernels::max_pool(convolution.output(), kPool, convolved, y);
    Tensor pooled = y;
    Tensor d_pooled = dy;
    if (relu) {
      kernels::relu(y.values(), y.values());
      kernels::relu_backward(y.values(), dy.values(), d_pooled.values());
    }
    kernels::max_pool_backward(convolution.output(), kPool, convolved, pooled, d_pooled,
                               d_convolved);
    convolution.add_gradient(x, d_convolved, dw.values(), db.values());
    convolution.backward(w.values(), d_convolved, dx);
    EXPECT_EQ(of.filters, b.size());
  }
};

void expect_near(const Tensor& computed, const Tensor& expected, const char* what) {
  float largest = 0;
  for (const float v : expected.values()) largest = std::max(largest, std::abs(v));
  for (std::size_t i = 0; i < expected.size(); ++i)
    ASSERT_NEAR(computed.values()[i], expected.values()[i], 1e-5F * largest) << what << " " << i;
}

TEST(PooledConvolution, MatchesOneByOne) {
  for (const Case& each : kCases)
    for (const bool relu : {false, true})
      for (const std::size_t rows : {1U, 3U}) {
        const Convolution convolution(each.image, each.window, each.filters, 1);
        const Tensor x = uniform_tensor({rows, each.image.size()}, 1);
        const Tensor w = uniform_tensor({convolution.weights()}, 2);
        const Tensor b = uniform_tensor({each.filters}, 3);
        const Tensor dy = uniform_tensor({rows, convolution.pooled_output().size()}, 4);
        const OneByOne expected(convolution, each, relu, x, w, b, dy);

        Tensor y(dy.shape());
        Tensor dw(w.shape());
        Tensor db(b.shape());
        Tensor dx(x.shape());
        ByteTensor places({rows, convolution.places()});
        convolution.forward_pooled(w.values(), b.values(), relu, x, y, places.view());
        const Convolution::PooledGradient gradient{relu, y, dy, places.view()};
        convolution.add_gradient_pooled(x, gradient, dw.values(), db.values());
        convolution.backward_pooled(w.values(), gradient, dx);
        SCOPED_TRACE(each.filters);
        EXPECT_EQ(std::vector(y.values().begin(), y.values().end()),
                  std::vector(expected.y.values().begin(), expected.y.values().end()));
        expect_near(dw, expected.dw, "dw");
        expect_near(db, expected.db, "db");
        expect_near(dx, expected.dx, "dx");
      }
}

// Ties go to the first, as in a pool alone; nothing passes where relu is zero.
TEST(PooledConvolution, PassesTiesToTheFirst) {
  const Convolution convolution({1, 2, 2}, {1, 1, 0}, 2, 1);
  const Tensor x = test::uniform_tensor({1, 4}, 1);
  Tensor w({2});
  Tensor b({2});
  b.values()[0] = 1;   // all four equal and positive
  b.values()[1] = -1;  // and negative
  Tensor dy({1, 2});
  dy.values()[0] = 5;
  dy.values()[1] = 7;
  Tensor y(dy.shape());
  ByteTensor places({1, convolution.places()});
  convolution.forward_pooled(w.values(), b.values(), true, x, y, places.view());
  Tensor dw({2});
  Tensor db({2});
  convolution.add_gradient_pooled(x, {true, y, dy, places.view()}, dw.values(), db.values());
  EXPECT_EQ(db.values()[0], 5);
  EXPECT_EQ(db.values()[1], 0);
  EXPECT_EQ(dw.values()[0], 5 * x.values()[0]);
  EXPECT_EQ(dw.values()[1], 0);
}

TEST(PooledConvolution, RejectsWhatDoesNotFit) {
  const Convolution convolution({1, 4, 4}, {1, 1, 0}, 2, 1);
  Tensor y({1, 8});
  EXPECT_THROW(convolution.forward_pooled(Tensor({3}).values(), Tensor({2}).values(), true,
                                          Tensor({1, 16}), y, {}),
               ShapeError);
  const Tensor dy({1, 8});
  const ByteTensor places({1, convolution.places()});
  const ByteTensor few({1, 8});
  Tensor dx({1, 16});
  const auto backward = [&](const Convolution::PooledGradient& gradient) {
    convolution.backward_pooled(Tensor({2}).values(), gradient, dx);
  };
  EXPECT_NO_THROW(backward({true, y, dy, places.view()}));
  EXPECT_THROW(backward({true, y, dy, few.view()}), ShapeError);
  EXPECT_THROW(backward({true, Tensor({1, 4}), dy, places.view()}), ShapeError);
  EXPECT_THROW(convolution.forward_pooled(Tensor({2}).values(), Tensor({2}).values(), true,
                                          Tensor({1, 15}), y, {}),
               ShapeError);
}

}  // namespace
}  // namespace gradatim
