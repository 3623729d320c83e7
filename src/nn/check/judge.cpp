#include "nn/check/judge.hpp"

#include <algorithm>
#include <cmath>

namespace gradatim {
namespace {

constexpr double kUnit = 0x1p-24;

// Below this, floats lose digits one by one.
constexpr double kSmallestNormal = 0x1p-126;

bool zero_by_both(const TensorEvidence& evidence, std::size_t i) {
  return evidence.backprop[i] == 0.0F && evidence.lower[i] == 0.0F && evidence.upper[i] == 0.0F;
}

Verdict verdict(const CheckedParameter& entry, bool crossed, double relative_tolerance) {
  const bool backprop_finite = std::isfinite(entry.backprop);
  const bool numerical_finite = std::isfinite(entry.numerical);
  if (!backprop_finite && !numerical_finite) return Verdict::kBothNonFinite;
  if (!backprop_finite || !numerical_finite) return Verdict::kNonFinite;
  if (!(entry.error <= entry.allowed)) {
    const bool between = entry.lower - entry.allowed <= entry.backprop &&
                         entry.backprop <= entry.upper + entry.allowed;
    return crossed && between ? Verdict::kKink : Verdict::kFail;
  }
  const double largest = std::max(std::abs(entry.backprop), std::abs(entry.numerical));
  return entry.allowed <= relative_tolerance * largest ? Verdict::kPass : Verdict::kUnresolved;
}

CheckedParameter look_at(const TensorEvidence& evidence, std::size_t i,
                         const NetworkCheckOptions& options) {
  CheckedParameter entry{.index = i,
                         .backprop = evidence.backprop[i],
                         .lower = evidence.lower[i],
                         .upper = evidence.upper[i]};
  entry.numerical = 0.5 * (entry.lower + entry.upper);
  entry.error = std::abs(entry.backprop - entry.numerical);
  entry.allowed = options.rounding_units *
                  (kUnit * static_cast<double>(evidence.magnitude[i]) + kSmallestNormal);
  if (!evidence.numerical_error.empty())
    entry.allowed += static_cast<double>(evidence.numerical_error[i]);
  entry.verdict = verdict(entry, evidence.crossed[i] != 0, options.relative_tolerance);
  return entry;
}

void count_error(double error, double magnitude, ErrorDistribution& errors) {
  if (error == 0) {
    ++errors.zero;
    return;
  }
  const double place =
      (std::log10(error / magnitude) - ErrorDistribution::kFirst) / ErrorDistribution::kWidth;
  const double last = ErrorDistribution::kBins - 1;
  ++errors.counts[place >= 0 ? static_cast<std::size_t>(std::min(place, last)) : 0];
}

std::size_t& counter(TensorCheck& tensor, Verdict verdict) {
  switch (verdict) {
    case Verdict::kPass:
      return tensor.passed;
    case Verdict::kKink:
      return tensor.kinks;
    case Verdict::kUnresolved:
    case Verdict::kBothNonFinite:
      return tensor.unresolved;
    default:
      return tensor.failed;
  }
}

void count_seen(const CheckedParameter& entry, SeenErrors& seen) {
  const double largest = std::max(std::abs(entry.backprop), std::abs(entry.numerical));
  for (std::size_t i = 0; i < SeenErrors::kRelative.size(); ++i)
    if (entry.error + entry.allowed < SeenErrors::kRelative[i] * largest) ++seen.entries[i];
}

bool worse(const CheckedParameter& a, const CheckedParameter& b) {
  const bool a_fails = a.verdict >= Verdict::kNonFinite;
  const bool b_fails = b.verdict >= Verdict::kNonFinite;
  if (a_fails != b_fails) return a_fails;
  const double a_ratio = a.error / a.allowed;
  const double b_ratio = b.error / b.allowed;
  return a_ratio > b_ratio || (std::isnan(a_ratio) && !std::isnan(b_ratio));
}

void keep_worst(const CheckedParameter& entry, std::size_t most,
                std::vector<CheckedParameter>& worst) {
  if (worst.size() == most && (most == 0 || !worse(entry, worst.back()))) return;
  worst.insert(std::ranges::upper_bound(worst, entry, worse), entry);
  if (worst.size() > most) worst.pop_back();
}

}  // namespace

TensorEvidence TensorEvidence::part(std::size_t offset, std::size_t count) const {
  const auto cut = [&](auto span) { return span.empty() ? span : span.subspan(offset, count); };
  return {cut(backprop),  cut(lower),           cut(upper),
          cut(magnitude), cut(numerical_error), cut(crossed)};
}

TensorCheck judge(const std::string& name, const Shape& shape, const TensorEvidence& evidence,
                  const NetworkCheckOptions& options, ErrorDistribution& errors) {
  TensorCheck tensor{.name = name, .shape = shape, .count = shape.size()};
  bool backprop_zero = true;
  for (std::size_t i = 0; i < tensor.count; ++i) {
    if (zero_by_both(evidence, i)) {
      ++tensor.structural;
      continue;
    }
    backprop_zero = backprop_zero && evidence.backprop[i] == 0.0F;
    const CheckedParameter entry = look_at(evidence, i, options);
    ++counter(tensor, entry.verdict);
    if (entry.verdict == Verdict::kPass) count_seen(entry, tensor.seen);
    count_error(entry.error, static_cast<double>(evidence.magnitude[i]), errors);
    keep_worst(entry, options.worst, tensor.worst);
  }
  tensor.forgotten = backprop_zero && tensor.failed > 0;
  for (CheckedParameter& entry : tensor.worst) entry.name = name;
  return tensor;
}

void name_dead_units(const TensorEvidence& weight_evidence, TensorCheck& weight,
                     const TensorEvidence& bias_evidence, TensorCheck& bias) {
  const std::size_t inputs = weight.shape[0];
  const std::size_t units = weight.shape[1];
  for (std::size_t j = 0; j < units; ++j) {
    bool dead = zero_by_both(bias_evidence, j);
    for (std::size_t i = 0; i < inputs && dead; ++i)
      dead = zero_by_both(weight_evidence, i * units + j);
    if (!dead) continue;
    ++weight.dead_units;
    ++bias.dead_units;
    weight.dead += inputs;
    weight.structural -= inputs;
    ++bias.dead;
    --bias.structural;
  }
}

}  // namespace gradatim
