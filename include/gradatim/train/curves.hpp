#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "gradatim/io/plot.hpp"
#include "gradatim/train/train.hpp"

namespace gradatim {

/// The loss of every step, of however many, thinned to at most kBins bins of equally many steps.
/// Memory is taken once.
class LossCurve {
 public:
  static constexpr std::size_t kBins = 1024;

  struct Bin {
    double low = 0;
    double high = 0;
    double sum = 0;
    std::size_t count = 0;
  };

  LossCurve() { bins_.reserve(kBins); }
  void add(double loss);

  /// Bin i stands for steps i·width() + 1 to (i + 1)·width(), the last perhaps for fewer.
  const std::vector<Bin>& bins() const { return bins_; }
  std::size_t width() const { return width_; }

 private:
  void halve();

  std::vector<Bin> bins_;
  std::size_t width_ = 1;
};

struct AccuracyPoint {
  double epoch = 0;  // fractional if the last is incomplete
  double train = 0;
  double test = 0;
};

/// The loss over the steps, its noise pale and its mean over a fortieth of the run bold, beside the
/// accuracies over the epochs.
Plot training_curves(const std::string& title, const LossCurve& loss,
                     const std::vector<AccuracyPoint>& accuracies);

}  // namespace gradatim
