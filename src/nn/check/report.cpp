#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "gradatim/nn/check.hpp"

namespace gradatim {
namespace {

// Rounding of float32 in the evaluation itself, which both gradients share, is left in these.
constexpr double kLargestSampleError = 1e-4;
// Rules against differences of losses in float32.
constexpr double kLargestFloatSampleError = 5e-3;

bool fails(const CheckedParameter& entry) { return entry.verdict >= Verdict::kNonFinite; }

std::string place(const CheckedParameter& entry, const Shape& shape) {
  std::string indices;
  std::size_t rest = entry.index;
  for (std::size_t axis = shape.rank(); axis-- > 0;) {
    indices = fmt::format("{}{}{}", rest % shape[axis], indices.empty() ? "" : ", ", indices);
    rest /= shape[axis];
  }
  return fmt::format("{}[{}]", entry.name, indices);
}

std::string line(const CheckedParameter& entry, const Shape& shape) {
  std::string text = fmt::format(
      "  {:<28} backprop {:>14.7e}  numerical {:>14.7e}  apart {:.1e}, "
      "allowed {:.1e}  {}\n",
      place(entry, shape), entry.backprop, entry.numerical, entry.error, entry.allowed,
      to_string(entry.verdict));
  if (entry.verdict == Verdict::kKink)
    text += fmt::format("  {:<28} slopes from {:.7e} to {:.7e}\n", "", entry.lower, entry.upper);
  return text;
}

std::string notes(const TensorCheck& tensor) {
  std::string text;
  if (tensor.dead_units > 0) text += fmt::format("  dead units: {}", tensor.dead_units);
  if (tensor.structural > 0) text += fmt::format("  structural zeros: {}", tensor.structural);
  if (tensor.cancelled) text += "  cancelled: batch normalisation takes it away";
  if (tensor.forgotten) text += "  forgotten: backprop is zero everywhere";
  return text;
}

std::string sample_text(const NetworkCheck& check) {
  const SampleCheck& sample = check.sample;
  if (!sample.skipped.empty()) return fmt::format("no sample in double: {}\n", sample.skipped);
  std::string text = fmt::format(
      "random sample of {} parameters evaluated in full: change rules "
      "off by {:.1e}",
      sample.count, sample.shortcut_error);
  if (sample.backprop_error != 0 || sample.numerical_error != 0)
    text += fmt::format("; against double, backprop {:.1e}, numerical {:.1e}",
                        sample.backprop_error, sample.numerical_error);
  return text + "\n";
}

// Rounded down: all means all.
double percent(std::size_t part, std::size_t whole) {
  return std::floor(1000 * static_cast<double>(part) / static_cast<double>(whole)) / 10;
}

std::string seen_text(const NetworkCheck& check) {
  const std::size_t passed = check.count(&TensorCheck::passed);
  if (passed == 0) return {};
  const SeenErrors seen = check.seen();
  std::string text = "of the entries that passed, so many would have failed if";
  for (std::size_t i = 0; i < SeenErrors::kRelative.size(); ++i)
    text += fmt::format("{} off by {:g}: {:.1f} %", i == 0 ? "" : ",", SeenErrors::kRelative[i],
                        percent(seen.entries[i], passed));
  return text + "\n";
}

}  // namespace

std::size_t NetworkCheck::parameters() const { return count(&TensorCheck::count); }

std::size_t NetworkCheck::count(std::size_t TensorCheck::*member) const {
  std::size_t sum = 0;
  for (const TensorCheck& tensor : tensors) sum += tensor.*member;
  return sum;
}

std::size_t NetworkCheck::skipped() const {
  return count(&TensorCheck::dead) + count(&TensorCheck::structural);
}

SeenErrors NetworkCheck::seen() const {
  SeenErrors sum;
  for (const TensorCheck& tensor : tensors)
    for (std::size_t i = 0; i < sum.entries.size(); ++i) sum.entries[i] += tensor.seen.entries[i];
  return sum;
}

CheckedParameter NetworkCheck::worst() const {
  CheckedParameter worst;
  for (const TensorCheck& tensor : tensors) {
    if (tensor.worst.empty()) continue;
    const CheckedParameter& entry = tensor.worst.front();
    const bool more = fails(entry) == fails(worst)
                          ? !(entry.error / entry.allowed <= worst.error / worst.allowed)
                          : fails(entry);
    if (worst.name.empty() || more) worst = entry;
  }
  return worst;
}

bool NetworkCheck::passed() const { return objections().empty(); }

std::vector<std::string> NetworkCheck::objections() const {
  std::vector<std::string> lines;
  if (!std::isfinite(loss)) lines.push_back(fmt::format("the loss is {}", loss));
  if (!deterministic) lines.push_back("two evaluations of backprop differ");
  if (tensors.empty()) lines.push_back("the network has no parameters");
  for (const TensorCheck& tensor : tensors) {
    if (tensor.failed > 0)
      lines.push_back(fmt::format("{}: {} of {} entries are wrong{}", tensor.name, tensor.failed,
                                  tensor.count,
                                  tensor.forgotten ? "; backprop is zero everywhere" : ""));
    else if (tensor.passed == 0 && !tensor.cancelled)
      lines.push_back(fmt::format("{}: nothing passed: {} zero by both, {} unresolved, {} kinks",
                                  tensor.name, tensor.skipped(), tensor.unresolved, tensor.kinks));
  }
  const bool in_double = sample.backprop_error != 0 || sample.numerical_error != 0;
  const double bound = in_double ? kLargestSampleError : kLargestFloatSampleError;
  for (const std::string& part : wrong) lines.push_back(fmt::format("{} is wrong", part));
  if (!(std::max({sample.shortcut_error, sample.numerical_error, sample.backprop_error}) <= bound))
    lines.push_back(
        fmt::format("the sample evaluated in full disagrees: change rules {:.1e}, "
                    "backprop {:.1e}, numerical {:.1e}",
                    sample.shortcut_error, sample.backprop_error, sample.numerical_error));
  return lines;
}

std::string NetworkCheck::to_string() const {
  std::string text =
      fmt::format("{:<18} {:>12} {:>9} {:>9} {:>7} {:>7} {:>10} {:>9}\n", "tensor", "shape",
                  "entries", "passed", "failed", "kinks", "unresolved", "zero");
  for (const TensorCheck& tensor : tensors)
    text += fmt::format("{:<18} {:>12} {:>9} {:>9} {:>7} {:>7} {:>10} {:>9}{}\n", tensor.name,
                        tensor.shape.to_string(), tensor.count, tensor.passed, tensor.failed,
                        tensor.kinks, tensor.unresolved, tensor.skipped(), notes(tensor));
  text += fmt::format("\n{}", sample_text(*this));
  for (const std::string& layer : evaluated_again)
    text += fmt::format("{} has no change rule and was evaluated again\n", layer);
  for (const std::string& layer : over_batch)
    text +=
        fmt::format("{} normalises over the batch: changes are those of the whole batch\n", layer);
  for (const std::string& layer : frozen) text += fmt::format("randomness frozen: {}\n", layer);
  if (frozen.empty()) text += "randomness: none in these layers; ";
  text += deterministic ? "backprop twice is equal in every bit\n" : "yet backprop twice differs\n";
  text += seen_text(*this);
  text += "worst:\n";
  for (const TensorCheck& tensor : tensors)
    for (const CheckedParameter& entry : tensor.worst)
      if (fails(entry) || &entry == &tensor.worst.front()) text += line(entry, tensor.shape);
  const auto lines = objections();
  for (const std::string& objection : lines) text += fmt::format("FAILED: {}\n", objection);
  if (lines.empty())
    text += fmt::format(
        "passed: {} of {} entries, {} zero by both, {} unresolved, {} kinks, in {:.2f} s\n",
        count(&TensorCheck::passed), parameters(), skipped(), count(&TensorCheck::unresolved),
        count(&TensorCheck::kinks), seconds);
  return text;
}

}  // namespace gradatim
