#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "gradatim/core/random.hpp"

namespace gradatim::test {

/// Random smooth functions of 1 to 6 coordinates with their exact gradients, written out by hand:
///   f(x) = Σ_k a_k g_k(u_k),  u_k = Σ_i w_ki x_i + b_k,
/// g_k one of ten functions; a, w and x range over magnitudes.
class RandomSmooth {
 public:
  explicit RandomSmooth(std::uint64_t seed) : draws_(256) {
    fill_uniform(draws_, {.seed = seed, .stream = 17});
    const std::size_t n = 1 + static_cast<std::size_t>(next() * 6);
    const std::size_t terms = 1 + static_cast<std::size_t>(next() * 4);
    const double scale = std::pow(10, next(-2, 2));  // of x
    for (std::size_t i = 0; i < n; ++i) x_.push_back(scale * next(-2, 2));
    const double size = std::pow(10, next(-4, 4));  // of f
    for (std::size_t k = 0; k < terms; ++k) {
      Term term{.kind = static_cast<int>(next() * 10),
                .amplitude = size * next(0.2, 2),
                .shift = next(-1, 1)};
      for (std::size_t i = 0; i < n; ++i)
        term.weights.push_back(next(-2, 2) / std::max(scale, 1.0));
      terms_.push_back(term);
    }
  }

  const std::vector<double>& x() const { return x_; }
  double operator()(const std::vector<double>& x) const {
    double sum = 0;
    for (const Term& term : terms_) sum += term.amplitude * value(term.kind, inner(term, x));
    return sum;
  }
  std::vector<double> gradient(const std::vector<double>& x) const {
    std::vector<double> d(x.size());
    for (const Term& term : terms_) {
      const double slope = term.amplitude * derivative(term.kind, inner(term, x));
      for (std::size_t i = 0; i < x.size(); ++i) d[i] += slope * term.weights[i];
    }
    return d;
  }

 private:
  struct Term {
    int kind = 0;
    double amplitude = 0;
    double shift = 0;
    std::vector<double> weights = {};
  };

  double next(double low = 0, double high = 1) {
    return low + (high - low) * static_cast<double>(draws_.at(used_++));
  }
  static double inner(const Term& term, const std::vector<double>& x) {
    double u = term.shift;
    for (std::size_t i = 0; i < x.size(); ++i) u += term.weights[i] * x[i];
    return u;
  }
  static double value(int kind, double u) {
    switch (kind) {
      case 0:
        return std::sin(3 * u);
      case 1:
        return std::exp(u / 2);
      case 2:
        return std::tanh(2 * u);
      case 3:
        return std::log1p(std::exp(u));
      case 4:
        return 1 / (1 + u * u);
      case 5:
        return u * u * u - u;
      case 6:
        return std::sqrt(1 + u * u);
      case 7:
        return std::atan(5 * u);
      case 8:
        return std::exp(-u * u);
      default:
        return u * u / 2 + std::cos(10 * u);
    }
  }
  static double derivative(int kind, double u) {
    switch (kind) {
      case 0:
        return 3 * std::cos(3 * u);
      case 1:
        return std::exp(u / 2) / 2;
      case 2:
        return 2 / (std::cosh(2 * u) * std::cosh(2 * u));
      case 3:
        return 1 / (1 + std::exp(-u));
      case 4:
        return -2 * u / ((1 + u * u) * (1 + u * u));
      case 5:
        return 3 * u * u - 1;
      case 6:
        return u / std::sqrt(1 + u * u);
      case 7:
        return 5 / (1 + 25 * u * u);
      case 8:
        return -2 * u * std::exp(-u * u);
      default:
        return u - 10 * std::sin(10 * u);
    }
  }

  std::vector<float> draws_;
  std::size_t used_ = 0;
  std::vector<double> x_;
  std::vector<Term> terms_;
};

}  // namespace gradatim::test
