#pragma once

#include <algorithm>
#include <cmath>
#include <span>

#include "gradatim/core/kernels.hpp"

/// The kernels as their formulae are written, for any scalar T (float, double, dual numbers, tape
/// variables): the oracle of the tests and the text to read. Spans are row-major; shapes stand in
/// the comments. T finds exp, log and tanh by argument-dependent lookup.
namespace gradatim::reference {

/// c (m, n) = op(a) (m, k) op(b) (k, n), added to c or not.
template <class T>
void gemm(kernels::Transpose transpose_a, kernels::Transpose transpose_b, std::size_t m,
          std::size_t n, std::size_t k, std::span<const T> a, std::span<const T> b, std::span<T> c,
          kernels::Update update = kernels::Update::overwrite) {
  const bool ta = transpose_a == kernels::Transpose::yes;
  const bool tb = transpose_b == kernels::Transpose::yes;
  for (std::size_t i = 0; i < m; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      T sum = update == kernels::Update::accumulate ? c[i * n + j] : T(0);
      for (std::size_t l = 0; l < k; ++l)
        sum = sum + (ta ? a[l * m + i] : a[i * k + l]) * (tb ? b[j * k + l] : b[l * n + j]);
      c[i * n + j] = sum;
    }
  }
}

/// The larger of two, the first of equals; NaN if either is. What compares values passes NaN on,
/// here and in every kernel, so that a divergence is seen wherever it began: relu and pools too.
template <class T>
T larger(const T& a, const T& b) {
  if (a < b) return b;
  return b <= a ? a : T(a + b);  // two that no order holds for have NaN as their sum
}

template <class T>
T sigmoid(const T& x) {
  using std::exp;
  if (x >= T(0)) return T(1) / (T(1) + exp(-x));
  const T e = exp(x);  // exp(-x) would overflow
  return e / (T(1) + e);
}

/// max(x, 0); NaN is not <= 0.
template <class T>
T relu(const T& x) {
  return x <= T(0) ? T(0) : x;
}

template <class T>
T leaky_relu(const T& x, float slope) {
  return x <= T(0) ? T(slope) * x : x;
}

template <class T>
T silu(const T& x) {
  return x * sigmoid(x);
}

/// 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x³)))
template <class T>
T gelu(const T& x) {
  using std::tanh;
  const T u = T(0.79788456080286535588) * (x + T(0.044715) * x * x * x);
  return T(0.5) * x * (T(1) + tanh(u));
}

template <class T>
T softplus(const T& x) {
  using std::exp;
  using std::log1p;
  return x >= T(0) ? x + log1p(exp(-x)) : log1p(exp(x));
}

/// y (n) = softmax of x (n)
template <class T>
void softmax(std::span<const T> x, std::span<T> y) {
  using std::exp;
  if (x.empty()) return;
  const T largest = *std::max_element(x.begin(), x.end());
  T sum = T(0);
  for (std::size_t k = 0; k < x.size(); ++k) {
    y[k] = exp(x[k] - largest);
    sum = sum + y[k];
  }
  for (T& value : y) value = value / sum;
}

template <class T>
struct RowMoments {
  T mean;
  T scale;  // 1 / sqrt(variance + epsilon)
};

/// Of x (n), with the biased variance: that of x itself, not of what it may be a sample of.
template <class T>
RowMoments<T> row_moments(std::span<const T> x, const T& epsilon) {
  using std::sqrt;
  const T n = T(static_cast<double>(x.size()));
  T sum = T(0);
  for (const T& value : x) sum = sum + value;
  const T mean = sum / n;
  T squares = T(0);
  for (const T& value : x) squares = squares + (value - mean) * (value - mean);
  return {mean, T(1) / sqrt(squares / n + epsilon)};
}

/// -log softmax(x)[label] = log(sum_k exp(x_k - max x)) - (x_label - max x)
template <class T>
T softmax_cross_entropy(std::span<const T> x, std::size_t label) {
  using std::exp;
  using std::log;
  const T largest = *std::max_element(x.begin(), x.end());
  T sum = T(0);
  for (const T& value : x) sum = sum + exp(value - largest);
  return log(sum) - (x[label] - largest);
}

/// -sum_k t_k log softmax(x)_k for targets t (n) that sum to 1
template <class T>
T softmax_cross_entropy(std::span<const T> x, std::span<const T> targets) {
  using std::exp;
  using std::log;
  const T largest = *std::max_element(x.begin(), x.end());
  T sum = T(0);
  T dot = T(0);
  for (std::size_t k = 0; k < x.size(); ++k) {
    sum = sum + exp(x[k] - largest);
    dot = dot + targets[k] * (x[k] - largest);
  }
  return log(sum) - dot;
}

}  // namespace gradatim::reference
