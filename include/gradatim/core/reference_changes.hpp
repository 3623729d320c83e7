#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>

#include "gradatim/core/reference.hpp"

/// By how much a function's value changes when its argument changes by dx, without the difference
/// of two nearly equal numbers: f(x + dx) - f(x) to a few units in the last place, for any dx
/// (docs/derivations/differences.md derives each). As the formulae are written, for any scalar T.
namespace gradatim::reference {

/// With s = sigmoid(x), r = 1 - s = sigmoid(-x) and e = expm1(-|dx|), so that 1 + e = exp(-|dx|):
///   s r e / (r + s exp(-|dx|))   for dx <= 0,   -s r e / (s + r exp(-|dx|))   for dx > 0.
/// Both denominators are sums of positive terms.
template <class T>
T sigmoid_change(const T& x, const T& dx) {
  using std::exp;
  using std::expm1;
  const T s = sigmoid(x);
  const T r = sigmoid(-x);
  if (dx > T(0)) return -s * r * expm1(-dx) / (s + r * exp(-dx));
  return s * r * expm1(dx) / (r + s * exp(dx));
}

/// tanh(x) = 2 sigmoid(2x) - 1
template <class T>
T tanh_change(const T& x, const T& dx) {
  return T(2) * sigmoid_change(T(2) * x, T(2) * dx);
}

/// By cases: dx where x and x + dx are positive, -x where only x is, x + dx where only that is.
template <class T>
T relu_change(const T& x, const T& dx) {
  if (x > T(0)) return dx > -x ? dx : -x;
  return dx > -x ? x + dx : T(0);
}

/// x > 0 ? x : slope x, by cases as relu; where the case changes, two terms of one sign are added.
template <class T>
T leaky_relu_change(const T& x, const T& dx, const T& slope) {
  const bool after = dx > -x;
  if (x > T(0)) return after ? dx : slope * (x + dx) - x;
  return after ? (x + dx) - slope * x : slope * dx;
}

/// log(1 + exp(x)): with s = sigmoid(x) and r = 1 - s, log1p(s expm1(dx)), or, where that loses r,
/// log(r + s exp(dx)).
template <class T>
T softplus_change(const T& x, const T& dx) {
  using std::exp;
  using std::expm1;
  using std::log;
  using std::log1p;
  if (dx > T(80)) return softplus(T(x + dx)) - softplus(x);
  const T s = sigmoid(x);
  const T growth = s * expm1(dx);
  return growth > T(-0.5) ? log1p(growth) : log(sigmoid(T(-x)) + s * exp(dx));
}

/// x s -> x' s', where s changes by ds: of dx s + x' ds and dx s' + x ds the one whose terms are
/// smaller.
template <class T>
T gated_change(const T& x, const T& dx, const T& s, const T& new_s, const T& ds) {
  const T new_x = x + dx;
  const bool outwards = (new_x < T(0) ? -new_x : new_x) > (x < T(0) ? -x : x);
  return outwards ? dx * new_s + x * ds : dx * s + new_x * ds;
}

/// x sigmoid(x)
template <class T>
T silu_change(const T& x, const T& dx) {
  return gated_change(x, dx, sigmoid(x), sigmoid(T(x + dx)), sigmoid_change(x, dx));
}

/// x sigmoid(w) with w = a x + b x³, a = 2 sqrt(2 / pi), b = 0.044715 a (the tanh form of gelu),
/// which changes by dx (a + b ((dx + 3/2 x)² + 3/4 x²)). Where w changes by more than 30, the
/// sigmoids are subtracted.
template <class T>
T gelu_change(const T& x, const T& dx) {
  const T a = T(1.5957691216057307117);
  const T b = T(0.044715) * a;
  const T w = x * (a + b * x * x);
  const T middle = dx + T(1.5) * x;
  const T dw = dx * (a + b * (middle * middle + T(0.75) * x * x));
  const T s = sigmoid(w);
  const T new_s = sigmoid(T(w + dw));
  const bool far = dw < T(-30) || dw > T(30);
  return gated_change(x, dx, s, new_s, far ? T(new_s - s) : sigmoid_change(w, dw));
}

/// dy_k = y_k (expm1(d_k) - S) / (1 + S) with S = sum_j y_j expm1(d_j), d_k = dx_k - sum_j y_j
/// dx_j: y = softmax(x) does not change when all of x change alike, which the shift takes out
/// beforehand. Where a d_k exceeds 1, the softmax of the new point minus y, which then differ. All
/// spans (n).
template <class T>
void softmax_change(std::span<const T> y, std::span<const T> dx, std::span<T> dy) {
  using std::exp;
  using std::expm1;
  T mean = T(0);
  for (std::size_t k = 0; k < y.size(); ++k) mean = mean + y[k] * dx[k];
  T largest = T(0);
  for (std::size_t k = 0; k < y.size(); ++k) largest = std::max(largest, T(dx[k] - mean));
  T sum = T(0);
  if (largest <= T(1)) {
    for (std::size_t k = 0; k < y.size(); ++k) sum = sum + y[k] * expm1(dx[k] - mean);
    for (std::size_t k = 0; k < y.size(); ++k)
      dy[k] = y[k] * (expm1(dx[k] - mean) - sum) / (T(1) + sum);
  } else {
    for (std::size_t k = 0; k < y.size(); ++k) sum = sum + y[k] * exp(dx[k] - mean - largest);
    for (std::size_t k = 0; k < y.size(); ++k)
      dy[k] = y[k] * exp(dx[k] - mean - largest) / sum - y[k];
  }
}

/// Of y = (x - mean) r w + b with r = 1 / sqrt(variance + epsilon). With c = x - mean, dc = dx -
/// mean(dx) and s = variance + epsilon, which changes by ds = mean(dc (2c + dc)):
///   dr = -ds r r' / (sqrt(s) + sqrt(s')),   dy = w (dc r' + c dr),
/// where r' and s' are those of x + dx. s and s' are sums of squares: no root is lost. All (n).
template <class T>
void layer_norm_change(std::span<const T> x, std::span<const T> w, std::span<const T> dx,
                       const T& epsilon, std::span<T> dy) {
  using std::sqrt;
  const T n = T(static_cast<double>(x.size()));
  T mean = T(0);
  T shift = T(0);
  for (std::size_t k = 0; k < x.size(); ++k) {
    mean = mean + x[k] / n;
    shift = shift + dx[k] / n;
  }
  T before = epsilon;
  T after = epsilon;
  T ds = T(0);
  for (std::size_t k = 0; k < x.size(); ++k) {
    const T c = x[k] - mean;
    const T dc = dx[k] - shift;
    before = before + c * c / n;
    after = after + (c + dc) * (c + dc) / n;
    ds = ds + dc * (T(2) * c + dc) / n;
  }
  const T root = sqrt(before);
  const T new_root = sqrt(after);
  const T dr = -ds / (root * new_root * (root + new_root));
  for (std::size_t k = 0; k < x.size(); ++k)
    dy[k] = w[k] * ((dx[k] - shift) / new_root + (x[k] - mean) * dr);
}

/// log sum_k y_k exp(dx_k - mean - shift)
template <class T>
T log_of_mean(std::span<const T> y, std::span<const T> dx, const T& mean, const T& shift) {
  using std::exp;
  using std::log;
  T sum = T(0);
  for (std::size_t k = 0; k < y.size(); ++k) sum = sum + y[k] * exp(dx[k] - mean - shift);
  return log(sum);
}

/// The change of -sum_k t_k log softmax(x)_k, for targets t that sum to 1 and y = softmax(x):
///   log1p(sum_k y_k expm1(dx_k - mean)) with mean = sum_k t_k dx_k.
/// With a one-hot t the label's own term is expm1(0): however near to 1 its probability is, nothing
/// cancels. Beyond a shift of 1 the largest exponent is taken out, so that nothing overflows.
template <class T>
T softmax_cross_entropy_change(std::span<const T> y, std::span<const T> t, std::span<const T> dx) {
  using std::exp;
  using std::expm1;
  using std::log;
  using std::log1p;
  T mean = T(0);
  for (std::size_t k = 0; k < y.size(); ++k) mean = mean + t[k] * dx[k];
  T largest = T(0);
  for (std::size_t k = 0; k < y.size(); ++k) largest = std::max(largest, T(dx[k] - mean));
  T sum = T(0);
  if (largest <= T(1)) {
    for (std::size_t k = 0; k < y.size(); ++k) sum = sum + y[k] * expm1(dx[k] - mean);
    return sum > T(-0.5) ? log1p(sum) : log_of_mean(y, dx, mean, T(0));
  }
  return largest + log_of_mean(y, dx, mean, largest);
}

/// The change of -sum_k t_k log(y_k + epsilon): -sum_k t_k log1p(dy_k / (y_k + epsilon)).
template <class T>
T cross_entropy_change(std::span<const T> y, std::span<const T> t, std::span<const T> dy,
                       const T& epsilon) {
  using std::log1p;
  T sum = T(0);
  for (std::size_t k = 0; k < y.size(); ++k) sum = sum - t[k] * log1p(dy[k] / (y[k] + epsilon));
  return sum;
}

/// The change of 0.5 sum_k (y_k - t_k)²: sum_k dy_k ((y_k - t_k) + dy_k / 2).
template <class T>
T sum_of_squared_errors_change(std::span<const T> y, std::span<const T> t, std::span<const T> dy) {
  T sum = T(0);
  for (std::size_t k = 0; k < y.size(); ++k) sum = sum + dy[k] * ((y[k] - t[k]) + T(0.5) * dy[k]);
  return sum;
}

/// The mean over k of (y_k - t_k)²: 2 / n of the change of the sum of squared errors.
template <class T>
T mean_squared_error_change(std::span<const T> y, std::span<const T> t, std::span<const T> dy) {
  return T(2) * sum_of_squared_errors_change<T>(y, t, dy) / T(static_cast<double>(y.size()));
}

/// The mean over k of softplus(x_k) - x_k t_k.
template <class T>
T binary_cross_entropy_change(std::span<const T> x, std::span<const T> t, std::span<const T> dx) {
  T sum = T(0);
  for (std::size_t k = 0; k < x.size(); ++k)
    sum = sum + (softplus_change(x[k], dx[k]) - t[k] * dx[k]);
  return sum / T(static_cast<double>(x.size()));
}

/// Of Huber's loss of one error e: the integral from e to e + de of u cut to [-delta, delta]. The
/// part within is (b - a)(a + b) / 2, a part beyond delta times its length.
template <class T>
T huber_change_of(const T& e, const T& de, const T& delta) {
  const auto cut = [&](const T& u) { return std::clamp(u, T(-delta), delta); };
  const T end = e + de;
  const T a = cut(e);
  const T b = cut(end);
  if (a == b) return a * de;  // beyond, and stays there
  if (a == e && b == end) return de * (e + de / T(2));
  return a * (a - e) + (b - a) * (a + b) / T(2) + b * (end - b);
}

/// The mean over k of the changes of Huber's loss of y_k - t_k.
template <class T>
T huber_change(std::span<const T> y, std::span<const T> t, std::span<const T> dy, const T& delta) {
  T sum = T(0);
  for (std::size_t k = 0; k < y.size(); ++k)
    sum = sum + huber_change_of(T(y[k] - t[k]), dy[k], delta);
  return sum / T(static_cast<double>(y.size()));
}

}  // namespace gradatim::reference
