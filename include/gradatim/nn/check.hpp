#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "gradatim/core/batch.hpp"
#include "gradatim/core/tensor.hpp"
#include "gradatim/diff/check_gradient.hpp"
#include "gradatim/nn/network.hpp"
#include "gradatim/nn/parameters.hpp"

namespace gradatim {

struct NetworkCheckOptions {
  Loss loss = SoftmaxCrossEntropy{};
  /// Of the differences. 0: 2^-20, at which change rules are exact and few kinks are met, or 2^-8
  /// where a layer without a rule is evaluated again.
  float step = 0;
  /// Units in the last place (2^-24 of the magnitude of what is added up) that backprop and the
  /// numerical gradient may be apart.
  double rounding_units = 8;
  /// Agreement to less than this, relative, is called unresolved, not passed.
  double relative_tolerance = 1e-2;
  bool inputs = false;      // the gradient by the inputs too
  std::size_t sample = 48;  // parameters that are also evaluated in full, in double
  std::uint64_t seed = 1;   // of the sample
  std::size_t worst = 5;    // entries of each tensor that are kept
  std::size_t threads = 0;  // 0: one a core
  /// Told how much of the parameters' differences is done, 0 to 1: one call at a time, in order,
  /// from any thread.
  std::function<void(double share)> on_progress{};
};

/// Floating point operations of check(), about, for each sample of the batch: a forward pass of
/// what a change touches, twice a parameter. Throws as make_operations does.
double check_operations(const Network& network);

/// One entry, as check_gradient's CheckedEntry is for a plain function.
struct CheckedParameter {
  std::string name{};     // "dense1.weight"
  std::size_t index = 0;  // into the tensor, row-major
  double backprop = 0;
  double numerical = 0;
  double error = 0;    // |backprop - numerical|
  double allowed = 0;  // by rounding
  double lower = 0;    // the sums of the samples' smaller and larger one-sided slopes
  double upper = 0;
  Verdict verdict = Verdict::kPass;
};

/// How many entries passed so closely that one off by `relative` more, to either side, would have
/// failed.
struct SeenErrors {
  static constexpr std::array kRelative{1e-6, 1e-5, 1e-4, 1e-3};
  std::array<std::size_t, kRelative.size()> entries{};
};

struct TensorCheck {
  std::string name;
  Shape shape;
  std::size_t count = 0;
  std::size_t passed = 0;
  std::size_t failed = 0;
  std::size_t kinks = 0;       // a branch was crossed, and backprop lies between the slopes
  std::size_t unresolved = 0;  // agree, but rounding hides whether to a digit
  /// Zero by both. Nothing is learned from them, so they pass nothing:
  std::size_t dead = 0;        // all weights of the unit, its bias too: nothing passes through it
  std::size_t structural = 0;  // the others: such as a pixel that is zero in the whole batch
  std::size_t dead_units = 0;
  /// A bias that batch normalisation takes away again: its gradient is zero but for rounding, which
  /// is resolved as little as zero is.
  bool cancelled = false;
  SeenErrors seen{};
  bool forgotten = false;                 // backprop is zero everywhere, the function is not
  std::vector<CheckedParameter> worst{};  // fails first, then by error over allowed

  std::size_t skipped() const { return dead + structural; }
};

/// The random sample in double: relative distances of vectors over the sample.
struct SampleCheck {
  std::size_t count = 0;
  double backprop_error = 0;   // of backprop from the derivative in double (dual numbers)
  double numerical_error = 0;  // of the numerical gradient from it
  /// Of the numerical gradient from evaluating the loss twice, in full; beyond what that rounds.
  double shortcut_error = 0;
  std::string skipped{};  // why there is none
};

/// How |backprop - numerical| over the magnitude of what was added up is distributed: counts[i] of
/// 10^(-12 + i/4) up to the next, the outer ones open; `zero` are those equal in every bit.
struct ErrorDistribution {
  static constexpr std::size_t kBins = 57;
  static constexpr double kFirst = -12;
  static constexpr double kWidth = 0.25;
  std::array<std::size_t, kBins> counts{};
  std::size_t zero = 0;
};

struct NetworkCheck {
  std::vector<TensorCheck> tensors{};  // of the parameters, then "inputs" if asked for
  double loss = 0;
  double step = 0;
  SampleCheck sample{};
  ErrorDistribution errors{};
  std::vector<std::string> evaluated_again{};  // layers without a change rule
  /// Layers that draw at random, at the batch's key: "layer 3 (dropout), seed 1, step 0". All
  /// evaluations drop the same values.
  std::vector<std::string> frozen{};
  /// Layers over the whole batch, "layer 2 (batch_norm)": with them the samples of a batch depend
  /// on each other, and changes are those of the whole batch.
  std::vector<std::string> over_batch{};
  /// If anything failed, the parts of backprop that are wrong by themselves, from the loss down:
  /// "layer 2 (swish): its backward". None for a wrong gradient that the caller gave.
  std::vector<std::string> wrong{};
  bool deterministic = true;  // two evaluations of backprop agree in every bit
  double seconds = 0;

  /// Something passes in every tensor, nothing fails, the sample agrees, and nothing is random.
  bool passed() const;
  std::size_t parameters() const;
  std::size_t count(std::size_t TensorCheck::*member) const;
  std::size_t skipped() const;
  SeenErrors seen() const;
  /// The worst entry of all tensors; its name is empty if there is none.
  CheckedParameter worst() const;
  /// Why passed() is false, a line each.
  std::vector<std::string> objections() const;
  /// A table for people, with the worst entries of what failed.
  std::string to_string() const;
};

/// Every parameter's gradient by backprop against its numerical gradient (numerical_gradient.hpp),
/// over one batch. An entry passes where
///   |backprop - numerical| <= rounding_units · 2^-24 · magnitude
/// and that is within relative_tolerance of them; the magnitude is the smaller of the sum of the
/// absolute values of the terms that backprop adds up, as running error analysis has it (Higham,
/// "Accuracy and Stability of Numerical Algorithms", 3.3), and of what rounding errors of random
/// signs add up to, but no less than what is lost by adding many terms up one after another
/// (src/nn/check/magnitudes.hpp). Where a branch is crossed within the step, it is
/// a kink if backprop lies between the sums of the samples' one-sided slopes, otherwise a fail. The
/// change rules are checked themselves: on a random sample of parameters both gradients are held
/// against evaluations of the loss in full, in double. Throws as numerical_gradient does.
NetworkCheck check(const Network& network, std::span<const float> theta, const Batch& batch,
                   const NetworkCheckOptions& options = {});

inline NetworkCheck check(const Network& network, const Parameters& parameters, const Batch& batch,
                          const NetworkCheckOptions& options = {}) {
  return check(network, parameters.theta(), batch, options);
}

/// The same for a gradient that the caller has: d_theta (parameters).
NetworkCheck check(const Network& network, std::span<const float> theta, const Batch& batch,
                   std::span<const float> d_theta, const NetworkCheckOptions& options = {});

}  // namespace gradatim
