#pragma once

#include <cstddef>
#include <string>
#include <string_view>
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

  /// `first` is the number of the first step that is added.
  explicit LossCurve(std::size_t first = 1) : first_(first) { bins_.reserve(kBins); }
  void add(double loss);

  /// Bin i stands for the width() steps from first() + i·width() on, the last perhaps for fewer.
  const std::vector<Bin>& bins() const { return bins_; }
  std::size_t width() const { return width_; }
  std::size_t first() const { return first_; }

 private:
  void halve();

  std::vector<Bin> bins_;
  std::size_t width_ = 1;
  std::size_t first_;
};

/// The figure that says most, on each split.
struct ScorePoint {
  double epoch = 0;  // fractional if the last is incomplete
  double train = 0;
  double test = 0;
  double validation = Scores::kNothing;
};

/// The loss over the steps, its noise pale and its mean over a fortieth of the run bold, beside the
/// scores over the epochs. `figure` names them: "accuracy".
Plot training_curves(const std::string& title, const LossCurve& loss,
                     const std::vector<ScorePoint>& scores, std::string_view figure = "accuracy");

}  // namespace gradatim
