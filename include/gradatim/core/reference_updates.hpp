#pragma once

#include <cmath>

#include "gradatim/core/updates.hpp"

/// The optimizer updates of gradatim/core/updates.hpp as their formulae are written (what is
/// remembered is not taken as 0 where a float would be subnormal), for one
/// parameter and any scalar T that has sqrt: the oracle of the tests and the text to read.
namespace gradatim::reference {

/// The gradient that an update sees.
template <class T>
T adjusted(const T& g, const T& theta, const kernels::Adjustment& a) {
  T scaled = T(a.scale) * g;
  if (scaled > T(a.limit)) scaled = T(a.limit);
  if (scaled < -T(a.limit)) scaled = -T(a.limit);
  return scaled + T(a.l2) * theta;
}

template <class T>
void sgd(T& theta, T g, float learning_rate, const kernels::Adjustment& a = {}) {
  g = adjusted(g, theta, a);
  theta = T(a.shrink) * theta - T(learning_rate) * g;
}

template <class T>
void momentum(T& theta, T g, T& v, float learning_rate, float momentum,
              const kernels::Adjustment& a = {}) {
  g = adjusted(g, theta, a);
  v = T(momentum) * v - T(learning_rate) * g;
  theta = T(a.shrink) * theta + v;
}

template <class T>
void nesterov(T& theta, T g, T& v, float learning_rate, float momentum,
              const kernels::Adjustment& a = {}) {
  g = adjusted(g, theta, a);
  v = T(momentum) * v - T(learning_rate) * g;
  theta = T(a.shrink) * theta + T(momentum) * v - T(learning_rate) * g;
}

template <class T>
void scaled(T& theta, T g, T& h, const kernels::ScaledStep& s, const kernels::Adjustment& a = {}) {
  using std::sqrt;
  g = adjusted(g, theta, a);
  h = T(s.keep) * h + T(s.add) * g * g;
  theta = T(a.shrink) * theta - T(s.learning_rate) * g / (sqrt(h) + T(s.epsilon));
}

template <class T>
void adam(T& theta, T g, T& m, T& v, const kernels::AdamStep& s,
          const kernels::Adjustment& a = {}) {
  using std::sqrt;
  g = adjusted(g, theta, a);
  m = T(s.beta1) * m + (T(1) - T(s.beta1)) * g;
  v = T(s.beta2) * v + (T(1) - T(s.beta2)) * g * g;
  theta = T(a.shrink) * theta - T(s.rate) * m / (sqrt(v * T(s.v_scale)) + T(s.epsilon));
}

template <class T>
void lion(T& theta, T g, T& m, const kernels::LionStep& s, const kernels::Adjustment& a = {}) {
  g = adjusted(g, theta, a);
  const T direction = T(s.beta1) * m + (T(1) - T(s.beta1)) * g;
  const T sign = direction > T(0) ? T(1) : direction < T(0) ? T(-1) : T(0);
  theta = T(a.shrink) * theta - T(s.learning_rate) * sign;
  m = T(s.beta2) * m + (T(1) - T(s.beta2)) * g;
}

}  // namespace gradatim::reference
