// Convolutions against the sum that defines them, in double, on every instruction set: images that
// are worked through in several blocks of lines, with strides, in groups.
#include "gradatim/core/convolution.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "support/numbers.hpp"

namespace gradatim {
namespace {

using kernels::Convolution;
using kernels::ImageShape;
using kernels::Window;
using test::uniform_tensor;

struct Case {
  const char* name = "";
  ImageShape image;
  Window window;
  std::size_t filters = 0, groups = 0;
};

const Case kCases[] = {
    {"one channel", {1, 28, 28}, {5, 1, 0}, 30, 1},
    {"stride 2, many lines", {3, 61, 59}, {3, 2, 1}, 17, 1},
    {"two vectors and a rest", {4, 37, 41}, {3, 2, 1}, 33, 1},
    {"three vectors", {2, 45, 23}, {3, 1, 1}, 48, 1},
    {"stride 3", {1, 40, 40}, {5, 3, 2}, 49, 1},
    {"groups", {6, 33, 21}, {3, 2, 1}, 9, 3},
    {"a filter a channel", {5, 19, 23}, {3, 1, 1}, 5, 5},
    {"padding beyond the window", {3, 4, 5}, {2, 1, 3}, 6, 1},
    {"one pixel", {7, 1, 1}, {1, 1, 0}, 3, 1},
    {"three filters a channel, stride 2", {4, 28, 17}, {3, 2, 1}, 12, 4},
    {"a filter a channel, stride beyond the window", {3, 11, 14}, {1, 2, 0}, 3, 3},
    {"a filter a channel, even stride and window", {2, 9, 40}, {4, 2, 0}, 2, 2},
    {"a filter a channel of many pixels", {2, 90, 101}, {5, 1, 2}, 2, 2},
    {"a filter a channel, window of 7", {3, 7, 7}, {7, 1, 3}, 3, 3},
    {"a filter a channel of one pixel", {4, 1, 1}, {1, 1, 0}, 4, 4},
    {"a filter a channel, padding beyond the window", {2, 5, 4}, {2, 2, 5}, 2, 2},
    {"a filter a channel, one column", {3, 19, 1}, {3, 2, 2}, 3, 3},
    {"a filter a channel, two columns", {3, 19, 2}, {3, 2, 1}, 6, 3},
    {"nine filters a channel", {2, 13, 13}, {3, 1, 1}, 18, 2},
    {"a filter a channel, windows as large as the image", {3, 9, 9}, {9, 1, 0}, 3, 3},
    {"a filter a channel, stride 3", {3, 20, 20}, {4, 3, 1}, 3, 3},
    {"a filter a channel, stride beyond all", {3, 9, 9}, {3, std::size_t{1} << 30U, 1}, 3, 3},
};

// Of the values in double, and the sums of their terms' magnitudes, by which rounding is judged.
struct Sums {
  explicit Sums(std::size_t size) : values(size), magnitudes(size) {}
  void add(std::size_t at, double term) {
    values[at] += term;
    magnitudes[at] += std::abs(term);
  }
  std::vector<double> values, magnitudes;
};

void expect_near(std::span<const float> computed, const Sums& expected, const std::string& where) {
  for (std::size_t i = 0; i < computed.size(); ++i)
    ASSERT_NEAR(static_cast<double>(computed[i]), expected.values[i],
                1e-6 * expected.magnitudes[i] + 1e-12)
        << where << " " << i;
}

// Calls f(x, w, y, filter) with the places of the factors of each term and of its sum.
template <class F>
void for_each_term(const Case& of, const ImageShape& y, F f) {
  const std::size_t channels = of.image.channels / of.groups;
  const std::size_t size = of.window.size;
  for (std::size_t filter = 0; filter < of.filters; ++filter)
    for (std::size_t c = 0; c < channels; ++c)
      for (std::size_t u = 0; u < size; ++u)
        for (std::size_t v = 0; v < size; ++v)
          for (std::size_t i = 0; i < y.height; ++i)
            for (std::size_t j = 0; j < y.width; ++j) {
              const std::size_t row = i * of.window.stride + u;
              const std::size_t column = j * of.window.stride + v;
              const std::size_t padding = of.window.padding;
              if (row < padding || row - padding >= of.image.height || column < padding ||
                  column - padding >= of.image.width)
                continue;
              const std::size_t channel = filter / (of.filters / of.groups) * channels + c;
              f((channel * of.image.height + row - padding) * of.image.width + column - padding,
                ((filter * channels + c) * size + u) * size + v,
                (filter * y.height + i) * y.width + j);
            }
}

TEST(Convolution, IsTheSumThatDefinesIt) {
  constexpr std::size_t kRows = 2;
  for (const Case& of : kCases) {
    const Convolution convolution(of.image, of.window, of.filters, of.groups);
    const ImageShape out = convolution.output();
    const Tensor x = uniform_tensor({kRows, of.image.size()}, 1);
    const Tensor w = uniform_tensor({convolution.weights()}, 2);
    const Tensor b = uniform_tensor({of.filters}, 3);
    const Tensor dy = uniform_tensor({kRows, out.size()}, 4);
    Tensor y(dy.shape());
    Tensor dx(x.shape());
    Tensor dw = uniform_tensor(w.shape(), 5);  // what gradients are added to
    Tensor db = uniform_tensor(b.shape(), 6);
    Sums all_dw(w.size());
    Sums all_db(b.size());
    for (std::size_t i = 0; i < w.size(); ++i) all_dw.add(i, static_cast<double>(dw.values()[i]));
    for (std::size_t i = 0; i < b.size(); ++i) all_db.add(i, static_cast<double>(db.values()[i]));
    convolution.forward(w.values(), b.values(), x, y);
    convolution.backward(w.values(), dy, dx);
    convolution.add_gradient(x, dy, dw.values(), db.values());

    for (std::size_t n = 0; n < kRows; ++n) {
      Sums of_y(out.size());
      Sums of_dx(of.image.size());
      const auto values = [&](const Tensor& t) { return t.view().row(n); };
      const std::size_t area = out.height * out.width;
      for (std::size_t i = 0; i < out.size(); ++i) {
        of_y.add(i, static_cast<double>(b.values()[i / area]));
        all_db.add(i / area, static_cast<double>(values(dy)[i]));
      }
      for_each_term(of, out, [&](std::size_t at_x, std::size_t at_w, std::size_t at_y) {
        const auto vx = static_cast<double>(values(x)[at_x]);
        const auto vw = static_cast<double>(w.values()[at_w]);
        const auto vdy = static_cast<double>(values(dy)[at_y]);
        of_y.add(at_y, vx * vw);
        of_dx.add(at_x, vdy * vw);
        all_dw.add(at_w, vx * vdy);
      });
      expect_near(values(y), of_y, std::string(of.name) + ": y");
      expect_near(values(dx), of_dx, std::string(of.name) + ": dx");
    }
    expect_near(dw.values(), all_dw, std::string(of.name) + ": dw");
    expect_near(db.values(), all_db, std::string(of.name) + ": db");
  }
}

}  // namespace
}  // namespace gradatim
