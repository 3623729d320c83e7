#pragma once

#include <limits>
#include <span>

/// Optimizer updates, each one pass over spans of equal size on one thread, dispatched at run time
/// to the widest SIMD of the processor. Every value is computed alone: cutting the spans anywhere
/// changes no bit. What an optimizer remembers (v, h, m) is 0 instead of a number below the
/// smallest normal float, 1.2e-38. gradatim/core/reference_updates.hpp holds the readable twin of
/// each.
namespace gradatim::kernels {

/// What happens to the gradient before an update and to the parameters beside it, in the same pass:
///
///     g ← clamp(scale · g, -limit, limit) + l2 · theta
///     theta ← shrink · theta + (the update)
///
/// NaN stays NaN. The defaults change nothing.
struct Adjustment {
  float scale = 1.0F;
  float limit = std::numeric_limits<float>::infinity();
  float l2 = 0.0F;
  float shrink = 1.0F;
};

/// theta -= learning_rate · g
void sgd(std::span<float> theta, std::span<const float> g, float learning_rate,
         const Adjustment& adjustment = {});
/// v = momentum · v - learning_rate · g; theta += v
void momentum(std::span<float> theta, std::span<const float> g, std::span<float> v,
              float learning_rate, float momentum, const Adjustment& adjustment = {});
/// v = momentum · v - learning_rate · g; theta += momentum · v - learning_rate · g
void nesterov(std::span<float> theta, std::span<const float> g, std::span<float> v,
              float learning_rate, float momentum, const Adjustment& adjustment = {});

/// Squares of gradients, summed: h = keep · h + add · g²; theta -= learning_rate · g / (sqrt(h) +
/// epsilon). AdaGrad has keep = add = 1, RMSprop keep = rho and add = 1 - rho.
struct ScaledStep {
  float learning_rate = 0.0F;
  float keep = 1.0F;
  float add = 1.0F;
  float epsilon = 0.0F;
};
void scaled(std::span<float> theta, std::span<const float> g, std::span<float> h,
            const ScaledStep& step, const Adjustment& adjustment = {});

/// m = beta1 · m + (1 - beta1) · g; v = beta2 · v + (1 - beta2) · g²;
/// theta -= rate · m / (sqrt(v · v_scale) + epsilon). In step t = 1, 2, ... of Adam, rate is
/// learning_rate / (1 - beta1^t) and v_scale 1 / (1 - beta2^t).
struct AdamStep {
  float rate = 0.0F;
  float beta1 = 0.0F;
  float beta2 = 0.0F;
  float v_scale = 1.0F;
  float epsilon = 0.0F;
};
void adam(std::span<float> theta, std::span<const float> g, std::span<float> m, std::span<float> v,
          const AdamStep& step, const Adjustment& adjustment = {});

/// theta -= learning_rate · sign(beta1 · m + (1 - beta1) · g), where sign(0) = 0;
/// m = beta2 · m + (1 - beta2) · g
struct LionStep {
  float learning_rate = 0.0F;
  float beta1 = 0.0F;
  float beta2 = 0.0F;
};
void lion(std::span<float> theta, std::span<const float> g, std::span<float> m,
          const LionStep& step, const Adjustment& adjustment = {});

/// Sum of squares, in double precision.
double sum_of_squares(std::span<const float> x);

}  // namespace gradatim::kernels
