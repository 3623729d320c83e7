#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "gradatim/nn/check.hpp"

namespace gradatim {

/// What is known of one tensor's entries; all spans of its size.
struct TensorEvidence {
  std::span<const float> backprop;
  std::span<const float> lower;
  std::span<const float> upper;
  std::span<const float> magnitude;
  std::span<const float> numerical_error;  // empty where change rules are exact
  std::span<const std::uint8_t> crossed;

  TensorEvidence part(std::size_t offset, std::size_t count) const;
};

/// Judges every entry and counts the errors. What is zero by both counts as structural.
TensorCheck judge(const std::string& name, const Shape& shape, const TensorEvidence& evidence,
                  const NetworkCheckOptions& options, ErrorDistribution& errors);

/// Of a Dense layer: units whose weights (inputs, units) and bias (units) are all zero by both are
/// dead, and their entries with them.
void name_dead_units(const TensorEvidence& weight_evidence, TensorCheck& weight,
                     const TensorEvidence& bias_evidence, TensorCheck& bias);

}  // namespace gradatim
