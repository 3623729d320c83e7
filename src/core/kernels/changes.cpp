// Differences without cancellation. Where all arguments of a vector are at most kSmall, as the
// steps of a numerical gradient are, expm1 and log1p are short polynomials, exact to rounding
// there.
#include "gradatim/core/changes.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/kernels/changes.cpp"
#include <hwy/foreach_target.h>  // compiles this file again for each instruction set
#include <hwy/highway.h>

#include <hwy/contrib/math/math-inl.h>

#include <algorithm>
#include <vector>

#include "core/kernels/loops-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gradatim::kernels::HWY_NAMESPACE {

constexpr float kSmall = 1.0F / 32;

HWY_INLINE FloatVector Constant(float value) { return hn::Set(FloatTag(), value); }

HWY_INLINE bool AllWithin(FloatVector magnitude, float bound) {
  return hn::AllTrue(FloatTag(), hn::Le(magnitude, Constant(bound)));
}

// t + t²/2 + t³/6 + t⁴/24: relative error at most |t|⁴/120 < 2^-26 for |t| <= kSmall.
HWY_INLINE FloatVector SmallExpm1(FloatVector t) {
  auto tail = hn::MulAdd(t, Constant(1.0F / 24), Constant(1.0F / 6));
  tail = hn::MulAdd(t, tail, Constant(0.5F));
  return hn::MulAdd(hn::Mul(t, t), tail, t);
}

// t - t²/2 + t³/3 - t⁴/4 + t⁵/5: relative error at most |t|⁵/6 < 2^-27 for |t| <= kSmall.
HWY_INLINE FloatVector SmallLog1p(FloatVector t) {
  auto tail = hn::MulAdd(t, Constant(0.2F), Constant(-0.25F));
  tail = hn::MulAdd(t, tail, Constant(1.0F / 3));
  tail = hn::MulAdd(t, tail, Constant(-0.5F));
  return hn::MulAdd(hn::Mul(t, t), tail, t);
}

// Calls body(first, mask) for each vector of columns.
template <class Body>
HWY_INLINE void ForColumns(std::size_t columns, Body body) {
  const FloatTag d;
  for (std::size_t j = 0; j < columns; j += hn::Lanes(d))
    body(j, hn::FirstN(d, std::min(hn::Lanes(d), columns - j)));
}

using Mask = hn::Mask<FloatTag>;

// dy(i, j) = change(dx(i, j)) for one vector of columns j and all rows i.
template <class Change>
HWY_INLINE void MapColumn(ConstTensorView dx, TensorView<float> dy, std::size_t first, Mask mask,
                          Change change) {
  const FloatTag d;
  const std::size_t rows = dx.rows();
  const std::size_t stride = dx.row_size();
  const float* HWY_RESTRICT in = dx.data() + first;
  float* out = dy.data() + first;
  for (std::size_t i = 0; i < rows; ++i, in += stride, out += stride)
    hn::BlendedStore(change(LoadMasked(mask, d, in)), mask, d, out);
}

// scale · (sigmoid(scale · (x + dx)) - sigmoid(scale · x)) for scale 1 and 2, the latter being
// tanh.
HWY_INLINE void LogisticChange(std::span<const float> x, ConstTensorView dx, TensorView<float> dy,
                               float scale) {
  const FloatTag d;
  const auto one = Constant(1.0F);
  const auto factor = Constant(scale);
  ForColumns(x.size(), [&](std::size_t j, Mask mask) HWY_ATTR {
    const auto v = hn::Mul(factor, LoadMasked(mask, d, x.data() + j));
    const auto e = hn::Exp(d, hn::Neg(hn::Abs(v)));
    const auto larger = hn::Div(one, hn::Add(one, e));
    const auto smaller = hn::Mul(e, larger);
    const auto negative = hn::Lt(v, hn::Zero(d));
    const auto s = hn::IfThenElse(negative, smaller, larger);
    const auto r = hn::IfThenElse(negative, larger, smaller);
    const auto slope = hn::Mul(factor, hn::Mul(s, r));
    MapColumn(dx, dy, j, mask, [&](auto amount) HWY_ATTR {
      const auto t = hn::Mul(factor, amount);
      const auto minus = hn::Neg(hn::Abs(t));
      const auto rising = hn::Gt(t, hn::Zero(d));
      const auto p = hn::IfThenElse(rising, s, r);
      const auto q = hn::IfThenElse(rising, r, s);
      if (HWY_LIKELY(AllWithin(hn::Abs(t), kSmall))) {
        const auto change = SmallExpm1(minus);
        const auto magnitude = hn::Div(hn::Mul(slope, change), hn::MulAdd(q, change, one));
        return hn::CopySign(magnitude, t);
      }
      const auto change = hn::Expm1(d, minus);
      const auto below = hn::MulAdd(q, hn::Exp(d, minus), p);
      return hn::CopySign(hn::Div(hn::Mul(slope, change), below), t);
    });
  });
}

void SigmoidChange(std::span<const float> x, ConstTensorView dx, TensorView<float> dy) {
  LogisticChange(x, dx, dy, 1.0F);
}

void TanhChange(std::span<const float> x, ConstTensorView dx, TensorView<float> dy) {
  LogisticChange(x, dx, dy, 2.0F);
}

void ReluChange(std::span<const float> x, ConstTensorView dx, TensorView<float> dy) {
  const FloatTag d;
  ForColumns(x.size(), [&](std::size_t j, Mask mask) HWY_ATTR {
    const auto v = LoadMasked(mask, d, x.data() + j);
    const auto active = hn::Gt(v, hn::Zero(d));
    MapColumn(dx, dy, j, mask, [&](auto amount) HWY_ATTR {
      const auto after = hn::Gt(amount, hn::Neg(v));
      const auto from_active = hn::IfThenElse(after, amount, hn::Neg(v));
      return hn::IfThenElse(active, from_active, hn::IfThenElseZero(after, hn::Add(v, amount)));
    });
  });
}

void ReluCrossings(std::span<const float> x, ConstTensorView dx, TensorView<std::uint8_t> crossed) {
  for (std::size_t i = 0; i < dx.rows(); ++i) {
    const float* HWY_RESTRICT amount = dx.row(i).data();
    std::uint8_t* HWY_RESTRICT out = crossed.row(i).data();
    for (std::size_t j = 0; j < x.size(); ++j)
      out[j] |= static_cast<std::uint8_t>((x[j] > 0.0F) != (amount[j] > -x[j]));
  }
}

// sum_k a_k b_k over one row.
HWY_INLINE FloatVector RowDot(const float* HWY_RESTRICT a, const float* HWY_RESTRICT b,
                              std::size_t n) {
  const FloatTag d;
  auto sum = hn::Zero(d);
  ForColumns(n, [&](std::size_t k, Mask mask) HWY_ATTR {
    sum = hn::MulAdd(LoadMasked(mask, d, a + k), LoadMasked(mask, d, b + k), sum);
  });
  return hn::SumOfLanes(d, sum);
}

struct SoftmaxRow {
  FloatVector mean;  // of the changes under the weights
  FloatVector sum;   // of y_k expm1(dx_k - mean)
  bool small;        // otherwise the sum is not valid
};

// `weights` are y itself for the softmax, the targets for its loss.
HWY_INLINE SoftmaxRow SmallSoftmaxRow(const float* HWY_RESTRICT y,
                                      const float* HWY_RESTRICT weights,
                                      const float* HWY_RESTRICT dx, std::size_t n) {
  const FloatTag d;
  SoftmaxRow row{RowDot(weights, dx, n), hn::Zero(d), true};
  auto sum = hn::Zero(d);
  auto largest = hn::Zero(d);
  ForColumns(n, [&](std::size_t k, Mask mask) HWY_ATTR {
    const auto t = hn::IfThenElseZero(mask, hn::Sub(LoadMasked(mask, d, dx + k), row.mean));
    largest = hn::Max(largest, hn::Abs(t));
    sum = hn::MulAdd(LoadMasked(mask, d, y + k), SmallExpm1(t), sum);
  });
  row.small = AllWithin(largest, kSmall);
  row.sum = hn::SumOfLanes(d, sum);
  return row;
}

bool SmallSoftmaxChange(std::span<const float> y, const float* dx, float* dy) {
  const FloatTag d;
  const SoftmaxRow row = SmallSoftmaxRow(y.data(), y.data(), dx, y.size());
  if (!row.small) return false;
  const auto scale = hn::Div(Constant(1.0F), hn::Add(Constant(1.0F), row.sum));
  ForColumns(y.size(), [&](std::size_t k, Mask mask) HWY_ATTR {
    const auto change = SmallExpm1(hn::Sub(LoadMasked(mask, d, dx + k), row.mean));
    const auto p = hn::Mul(scale, LoadMasked(mask, d, y.data() + k));
    hn::BlendedStore(hn::Mul(p, hn::Sub(change, row.sum)), mask, d, dy + k);
  });
  return true;
}

bool SmallCrossEntropyChange(std::span<const float> y, std::span<const float> t, const float* dx,
                             float* change) {
  const SoftmaxRow row = SmallSoftmaxRow(y.data(), t.data(), dx, y.size());
  if (!row.small) return false;
  *change = hn::GetLane(SmallLog1p(row.sum));
  return true;
}

// Rows of the lines: the slopes less their mean under the targets (n); then the coefficients
// sum_k y_k slope_k^r / r! of a^r for r = 1 to 4; then the largest |slope_k|.
void CrossEntropyLines(std::span<const float> y, std::span<const float> t, ConstTensorView slopes,
                       TensorView<float> lines) {
  const FloatTag d;
  const std::size_t n = y.size();
  const auto at = [&](std::size_t row, std::size_t j) { return lines.row(row).data() + j; };
  ForColumns(slopes.row_size(), [&](std::size_t j, Mask mask) HWY_ATTR {
    auto mean = hn::Zero(d);
    for (std::size_t k = 0; k < n; ++k)
      mean = hn::MulAdd(Constant(t[k]), LoadMasked(mask, d, slopes.row(k).data() + j), mean);
    FloatVector moment[4] = {hn::Zero(d), hn::Zero(d), hn::Zero(d), hn::Zero(d)};
    auto largest = hn::Zero(d);
    for (std::size_t k = 0; k < n; ++k) {
      const auto slope = hn::Sub(LoadMasked(mask, d, slopes.row(k).data() + j), mean);
      hn::BlendedStore(slope, mask, d, at(k, j));
      largest = hn::Max(largest, hn::Abs(slope));
      auto power = Constant(y[k]);
      for (auto& m : moment) {
        power = hn::Mul(power, slope);
        m = hn::Add(m, power);
      }
    }
    constexpr float kFactorial[4] = {1.0F, 1.0F / 2, 1.0F / 6, 1.0F / 24};
    for (std::size_t r = 0; r < 4; ++r)
      hn::BlendedStore(hn::Mul(moment[r], Constant(kFactorial[r])), mask, d, at(n + r, j));
    hn::BlendedStore(largest, mask, d, at(n + 4, j));
  });
}

using LargeAlong = void (*)(const void* context, std::size_t i, std::size_t j);

// Amounts where some |slope · a| exceeds kSmall are left to `large`, one by one.
void CrossEntropyAlong(std::size_t n, ConstTensorView lines, ConstTensorView a,
                       TensorView<float> change, LargeAlong large, const void* context) {
  const FloatTag d;
  const std::size_t columns = a.row_size();
  const std::size_t rows = a.rows();
  ForColumns(columns, [&](std::size_t j, Mask mask) HWY_ATTR {
    const auto load = [&](std::size_t row)
                          HWY_ATTR { return LoadMasked(mask, d, lines.row(row).data() + j); };
    const auto c1 = load(n), c2 = load(n + 1), c3 = load(n + 2), c4 = load(n + 3);
    const auto largest = load(n + 4);
    const float* in = a.data() + j;
    float* out = change.data() + j;
    for (std::size_t i = 0; i < rows; ++i, in += columns, out += columns) {
      const auto amount = LoadMasked(mask, d, in);
      if (HWY_UNLIKELY(!AllWithin(hn::Abs(hn::Mul(amount, largest)), kSmall))) {
        for (std::size_t lane = j; lane < std::min(columns, j + hn::Lanes(d)); ++lane)
          large(context, i, lane);
        continue;
      }
      auto sum = hn::MulAdd(amount, c4, c3);
      sum = hn::MulAdd(amount, sum, c2);
      sum = hn::Mul(amount, hn::MulAdd(amount, sum, c1));
      hn::BlendedStore(SmallLog1p(sum), mask, d, out);
    }
  });
}

void SquaredErrorAlong(ConstTensorView lines, ConstTensorView a, TensorView<float> change) {
  const FloatTag d;
  ForColumns(a.row_size(), [&](std::size_t j, Mask mask) HWY_ATTR {
    const auto c1 = LoadMasked(mask, d, lines.row(0).data() + j);
    const auto c2 = LoadMasked(mask, d, lines.row(1).data() + j);
    MapColumn(a, change, j, mask,
              [&](auto amount) HWY_ATTR { return hn::Mul(amount, hn::MulAdd(amount, c2, c1)); });
  });
}

}  // namespace gradatim::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "core/kernels/checks.hpp"
#include "gradatim/core/reference_changes.hpp"

namespace gradatim::kernels {
namespace {
HWY_EXPORT(SigmoidChange);
HWY_EXPORT(TanhChange);
HWY_EXPORT(ReluChange);
HWY_EXPORT(ReluCrossings);
HWY_EXPORT(SmallSoftmaxChange);
HWY_EXPORT(SmallCrossEntropyChange);
HWY_EXPORT(CrossEntropyLines);
HWY_EXPORT(CrossEntropyAlong);
HWY_EXPORT(SquaredErrorAlong);

void check_changes(std::string_view kernel, std::size_t n, const Shape& dx, const Shape& dy) {
  check_matrix(kernel, dx);
  check_sizes(kernel, n, {dx[1]});
  check_shape(kernel, dx, dy);
}

void check_lines(std::string_view kernel, const Shape& lines, std::size_t n, std::size_t count) {
  check_shape(kernel, {line_rows(n), count}, lines);
}

std::vector<double> widen(std::span<const float> x) { return {x.begin(), x.end()}; }

// Rows whose changes are not small: rare, so in double and by the formula as it is written.
void large_softmax_change(std::span<const float> y, std::span<const float> dx,
                          std::span<float> dy) {
  std::vector<double> change(y.size());
  reference::softmax_change<double>(widen(y), widen(dx), change);
  std::ranges::transform(change, dy.begin(), [](double c) { return static_cast<float>(c); });
}

// One amount along one line.
struct LargeLine {
  std::span<const float> y;
  ConstTensorView lines;
  ConstTensorView a;
  TensorView<float> change;

  static void evaluate(const void* context, std::size_t i, std::size_t j) {
    const auto& line = *static_cast<const LargeLine*>(context);
    const double amount = line.a(i, j);
    std::vector<double> dx(line.y.size());
    for (std::size_t k = 0; k < dx.size(); ++k)
      dx[k] = amount * static_cast<double>(line.lines(k, j));
    // The slopes are less their mean already: targets of zero leave them so.
    const std::vector<double> no_targets(dx.size());
    line.change(i, j) = static_cast<float>(
        reference::softmax_cross_entropy_change<double>(widen(line.y), no_targets, dx));
  }
};

}  // namespace

void sigmoid_change(std::span<const float> x, ConstTensorView dx, TensorView<float> dy) {
  check_changes("sigmoid_change", x.size(), dx.shape(), dy.shape());
  HWY_DYNAMIC_DISPATCH(SigmoidChange)(x, dx, dy);
}

void tanh_change(std::span<const float> x, ConstTensorView dx, TensorView<float> dy) {
  check_changes("tanh_change", x.size(), dx.shape(), dy.shape());
  HWY_DYNAMIC_DISPATCH(TanhChange)(x, dx, dy);
}

void relu_change(std::span<const float> x, ConstTensorView dx, TensorView<float> dy) {
  check_changes("relu_change", x.size(), dx.shape(), dy.shape());
  HWY_DYNAMIC_DISPATCH(ReluChange)(x, dx, dy);
}

void relu_crossings(std::span<const float> x, ConstTensorView dx,
                    TensorView<std::uint8_t> crossed) {
  check_changes("relu_crossings", x.size(), dx.shape(), crossed.shape());
  HWY_DYNAMIC_DISPATCH(ReluCrossings)(x, dx, crossed);
}

void softmax_change(std::span<const float> y, ConstTensorView dx, TensorView<float> dy) {
  check_changes("softmax_change", y.size(), dx.shape(), dy.shape());
  for (std::size_t i = 0; i < dx.rows(); ++i)
    if (!HWY_DYNAMIC_DISPATCH(SmallSoftmaxChange)(y, dx.row(i).data(), dy.row(i).data()))
      large_softmax_change(y, dx.row(i), dy.row(i));
}

void softmax_cross_entropy_change(std::span<const float> y, std::span<const float> t,
                                  ConstTensorView dx, std::span<float> change) {
  check_changes("softmax_cross_entropy_change", y.size(), dx.shape(), dx.shape());
  check_sizes("softmax_cross_entropy_change targets", y.size(), {t.size()});
  check_sizes("softmax_cross_entropy_change", dx.rows(), {change.size()});
  for (std::size_t i = 0; i < dx.rows(); ++i)
    if (!HWY_DYNAMIC_DISPATCH(SmallCrossEntropyChange)(y, t, dx.row(i).data(), &change[i]))
      change[i] = static_cast<float>(
          reference::softmax_cross_entropy_change<double>(widen(y), widen(t), widen(dx.row(i))));
}

void softmax_cross_entropy_lines(std::span<const float> y, std::span<const float> t,
                                 ConstTensorView slopes, TensorView<float> lines) {
  check_matrix("softmax_cross_entropy_lines", slopes.shape());
  check_sizes("softmax_cross_entropy_lines", y.size(), {t.size(), slopes.rows()});
  check_lines("softmax_cross_entropy_lines", lines.shape(), y.size(), slopes.shape()[1]);
  HWY_DYNAMIC_DISPATCH(CrossEntropyLines)(y, t, slopes, lines);
}

void softmax_cross_entropy_along(std::span<const float> y, ConstTensorView lines, ConstTensorView a,
                                 TensorView<float> change) {
  check_matrix("softmax_cross_entropy_along", a.shape());
  check_shape("softmax_cross_entropy_along", a.shape(), change.shape());
  check_lines("softmax_cross_entropy_along", lines.shape(), y.size(), a.shape()[1]);
  const LargeLine large{y, lines, a, change};
  HWY_DYNAMIC_DISPATCH(CrossEntropyAlong)(y.size(), lines, a, change, LargeLine::evaluate, &large);
}

void squared_error_lines(std::span<const float> y, std::span<const float> t, ConstTensorView slopes,
                         TensorView<float> lines) {
  check_matrix("squared_error_lines", slopes.shape());
  check_sizes("squared_error_lines", y.size(), {t.size(), slopes.rows()});
  check_lines("squared_error_lines", lines.shape(), y.size(), slopes.shape()[1]);
  for (std::size_t j = 0; j < slopes.shape()[1]; ++j) {
    lines(0, j) = 0;
    lines(1, j) = 0;
    for (std::size_t k = 0; k < y.size(); ++k) {
      lines(0, j) += slopes(k, j) * (y[k] - t[k]);
      lines(1, j) += 0.5F * slopes(k, j) * slopes(k, j);
    }
  }
}

void squared_error_along(ConstTensorView lines, ConstTensorView a, TensorView<float> change) {
  check_matrix("squared_error_along", a.shape());
  check_shape("squared_error_along", a.shape(), change.shape());
  check_sizes("squared_error_along", lines.row_size(), {a.shape()[1]});
  HWY_DYNAMIC_DISPATCH(SquaredErrorAlong)(lines, a, change);
}

}  // namespace gradatim::kernels
#endif  // HWY_ONCE
