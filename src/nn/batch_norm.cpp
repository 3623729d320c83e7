#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "gradatim/core/error.hpp"
#include "gradatim/core/normalization.hpp"
#include "gradatim/core/reference_changes.hpp"
#include "nn/layers.hpp"

namespace gradatim {
namespace {

// Of arrays (rows, channels).
constexpr std::size_t kSums = 2;        // see kernels::add_channel_moments and _slopes
constexpr std::size_t kStatistics = 4;  // mean, scale, variance, and what mean is rounded by
constexpr std::size_t kSlopes = 6;      // what kernels::ChannelSlopes has, in its order

// A double as the sum of two floats.
void split(double number, float& value, float& rest) {
  value = static_cast<float>(number);
  rest = static_cast<float>(number - static_cast<double>(value));
}

/// theta = weight, bias, running_mean, running_variance, each (channels).
class BatchNormOperation final : public Operation, public BatchRule {
 public:
  BatchNormOperation(const BatchNorm& layer, const Shape& shape)
      : layer_(layer),
        shape_(shape),
        channels_(shape[0]),
        area_(shape.size() / channels_),
        epsilon_(static_cast<double>(layer.epsilon)) {}

  Shape output() const override { return shape_; }
  std::vector<ParameterSpec> parameters() const override {
    return {
        {"weight", {channels_}, Ones{}},
        {"bias", {channels_}, Zeros{}},
        {.role = "running_mean", .shape = {channels_}, .initializer = Zeros{}, .trained = false},
        {.role = "running_variance",
         .shape = {channels_},
         .initializer = Ones{},
         .trained = false}};
  }
  bool backward_reads_output() const override { return false; }
  std::size_t operations_per_row() const override { return 8 * shape_.size(); }
  const BatchRule* over_batch() const override { return this; }

  // In prediction, by the running statistics.
  void forward(std::span<const float> theta, ConstTensorView x,
               TensorView<float> y) const override {
    thread_local AlignedVector<float> scale;
    if (scale.size() < channels_) scale.resize(channels_);
    const auto variance = part(theta, 3);
    for (std::size_t c = 0; c < channels_; ++c)
      scale[c] = static_cast<float>(scale_of(static_cast<double>(variance[c])));
    kernels::scale_channels(
        x, {part(theta, 2), std::span(scale).first(channels_), part(theta, 0), part(theta, 1)}, y);
  }
  void backward(std::span<const float> theta, ConstTensorView x, ConstTensorView,
                ConstTensorView dy, TensorView<float> dx) const override {
    const Passed passed = pass(theta, x, dy);
    backward_rows(passed.slopes, x, dy, dx);
  }
  void parameter_gradient(std::size_t, ConstTensorView x, ConstTensorView dy,
                          std::span<float> d_theta) const override {
    const std::vector<float> theta(4 * channels_);
    const Passed passed = pass(theta, x, dy);
    sums_gradient(passed.statistics, passed.sums, d_theta);
  }

  // ---- In training.

  std::size_t sums() const override { return kSums * channels_; }
  std::size_t statistics() const override { return kStatistics * channels_; }
  std::size_t slopes() const override { return kSlopes * channels_; }
  std::size_t least_rows() const override { return area_ == 1 ? 2 : 1; }

  void add_sums(ConstTensorView x, std::span<double> sums) const override {
    kernels::add_channel_moments(x, {sums, {kSums, channels_}});
  }
  void find_statistics(std::size_t rows, std::span<const double> sums,
                       std::span<float> statistics) const override {
    const double count = count_of(rows);
    for (std::size_t c = 0; c < channels_; ++c) {
      const double mean = sums[c] / count;
      // In this order NaN stays NaN.
      const double variance = std::max(sums[channels_ + c] / count - mean * mean, 0.0);
      split(mean, statistics[c], statistics[3 * channels_ + c]);
      statistics[channels_ + c] = static_cast<float>(scale_of(variance));
      statistics[2 * channels_ + c] = static_cast<float>(variance);
    }
  }
  void forward_rows(std::span<const float> theta, std::span<const float> statistics,
                    ConstTensorView x, TensorView<float> y) const override {
    kernels::scale_channels(
        x, {part(statistics, 0), part(statistics, 1), part(theta, 0), part(theta, 1)}, y);
  }
  void add_backward_sums(std::span<const float> statistics, ConstTensorView x, ConstTensorView dy,
                         std::span<double> sums) const override {
    kernels::add_channel_slopes(x, part(statistics, 0), dy, {sums, {kSums, channels_}});
  }
  void find_slopes(std::span<const float> theta, std::size_t rows,
                   std::span<const float> statistics, std::span<const double> sums,
                   std::span<float> slopes) const override {
    const double count = count_of(rows);
    for (std::size_t c = 0; c < channels_; ++c) {
      const double scale = statistics[channels_ + c];
      const double rest = statistics[3 * channels_ + c];
      const double slope = product(c, statistics, sums) / count * scale * scale;
      slopes[c] = statistics[c];
      slopes[channels_ + c] = theta[c] * statistics[channels_ + c];
      set_offset_and_slope(c, sums[c] / count - rest * slope, slope, slopes);
    }
  }
  void backward_rows(std::span<const float> slopes, ConstTensorView x, ConstTensorView dy,
                     TensorView<float> dx) const override {
    kernels::channels_backward(x,
                               {part(slopes, 0), part(slopes, 1), part(slopes, 2), part(slopes, 3),
                                part(slopes, 4), part(slopes, 5)},
                               dy, dx);
  }
  void sums_gradient(std::span<const float> statistics, std::span<const double> sums,
                     std::span<float> d_theta) const override {
    for (std::size_t c = 0; c < channels_; ++c) {
      d_theta[c] = static_cast<float>(product(c, statistics, sums) *
                                      static_cast<double>(statistics[channels_ + c]));
      d_theta[channels_ + c] = static_cast<float>(sums[c]);
    }
    std::ranges::fill(d_theta.subspan(2 * channels_), 0.0F);
  }
  void move_running(std::size_t rows, std::span<const float> statistics,
                    std::span<float> theta) const override {
    const double count = count_of(rows);
    const auto unbiased = static_cast<float>(count / (count - 1));
    for (std::size_t c = 0; c < channels_; ++c) {
      float& mean = theta[2 * channels_ + c];
      float& variance = theta[3 * channels_ + c];
      mean += layer_.momentum * (statistics[c] - mean);
      variance += layer_.momentum * (unbiased * statistics[2 * channels_ + c] - variance);
    }
  }

  // ---- Changes of the whole batch.

  bool has_change_rule() const override { return true; }
  void change(std::span<const float> theta, ConstTensorView x, ConstTensorView, ConstTensorView dx,
              TensorView<float> dy) const override {
    std::vector<double> values(sums());
    add_sums(x, values);
    std::vector<float> slopes(this->slopes());
    for (std::size_t c = 0; c < channels_; ++c)
      slopes[c] = static_cast<float>(values[c] / count_of(x.rows()));
    for (std::size_t first = 0; first < dx.rows(); first += x.rows()) {
      const ConstTensorView amounts = dx.slice(first, x.rows());
      find_change(theta, x, values, amounts, slopes);
      backward_rows(slopes, x, amounts, dy.slice(first, x.rows()));
    }
  }
  float parameter_change(std::span<const float>, ConstTensorView x, ConstTensorView,
                         std::size_t parameter, float step, TensorView<float> dy) const override {
    std::ranges::fill(dy.values(), 0.0F);
    if (parameter >= 2 * channels_) return step;  // running statistics
    const std::size_t c = parameter % channels_;
    const auto [mean, scale] = moments(x, c);
    for (std::size_t i = 0; i < x.rows() * area_; ++i) {
      const double h = (static_cast<double>(at(x, c, i)) - mean) * scale;
      dy.values()[place(c, i)] =
          parameter < channels_ ? static_cast<float>(static_cast<double>(step) * h) : step;
    }
    return step;
  }
  // x - mean has the rounding error of |x| + |mean|, which so stands for |x - mean|.
  void magnitude(std::span<const float> absolute_theta, ConstTensorView x, ConstTensorView,
                 ConstTensorView v, TensorView<float> out) const override {
    for (std::size_t c = 0; c < channels_; ++c) {
      const auto [mean, scale] = moments(x, c);
      const auto [sum, product] = magnitude_sums(x, v, c, mean, scale);
      const double factor = static_cast<double>(absolute_theta[c]) * scale;
      const double count = count_of(x.rows());
      for (std::size_t i = 0; i < x.rows() * area_; ++i)
        out.values()[place(c, i)] =
            static_cast<float>(factor * (static_cast<double>(at(v, c, i)) + sum / count +
                                         size(at(x, c, i), mean) * scale * product / count));
    }
  }
  void parameter_magnitude(ConstTensorView x, ConstTensorView v,
                           std::span<float> out) const override {
    std::ranges::fill(out, 0.0F);
    for (std::size_t c = 0; c < channels_; ++c) {
      const auto [mean, scale] = moments(x, c);
      const auto [sum, product] = magnitude_sums(x, v, c, mean, scale);
      out[c] = static_cast<float>(product);
      out[channels_ + c] = static_cast<float>(sum);
    }
  }

 private:
  // The change dy in the form of `slopes`, whose means are those of x already. With c = x - mean,
  // which sums to zero, the variance grows by mean(2 c dx) + variance(dx), and 1 / root changes by
  // -growth / (root new_root (root + new_root)): nothing cancels.
  void find_change(std::span<const float> theta, ConstTensorView x, std::span<const double> values,
                   ConstTensorView dx, std::span<float> slopes) const {
    std::vector<double> moves(sums());
    std::vector<double> products(sums());
    add_sums(dx, moves);
    add_backward_sums(slopes, x, dx, products);
    const double count = count_of(x.rows());
    for (std::size_t c = 0; c < channels_; ++c) {
      const double mean = values[c] / count;
      const double shift = moves[c] / count;
      const double before = std::max(values[channels_ + c] / count - mean * mean, 0.0) + epsilon_;
      const double rounding = static_cast<double>(slopes[c]) - mean;
      const double growth = 2 * (products[channels_ + c] / count + rounding * shift) +
                            std::max(moves[channels_ + c] / count - shift * shift, 0.0);
      const double root = std::sqrt(before);
      const double new_root = std::sqrt(before + growth);
      slopes[channels_ + c] = static_cast<float>(static_cast<double>(theta[c]) / new_root);
      const double slope = growth / (root * (root + new_root));
      set_offset_and_slope(c, shift + rounding * slope, slope, slopes);
    }
  }

  // The sum of dy (x - mean), which was added up about the rounded mean.
  double product(std::size_t c, std::span<const float> statistics,
                 std::span<const double> sums) const {
    return sums[channels_ + c] - static_cast<double>(statistics[3 * channels_ + c]) * sums[c];
  }

  void set_offset_and_slope(std::size_t c, double offset, double slope,
                            std::span<float> slopes) const {
    split(offset, slopes[2 * channels_ + c], slopes[3 * channels_ + c]);
    split(slope, slopes[4 * channels_ + c], slopes[5 * channels_ + c]);
  }

  struct Passed {
    std::vector<float> statistics, slopes;
    std::vector<double> sums;
  };
  // Both passes over all rows at once.
  Passed pass(std::span<const float> theta, ConstTensorView x, ConstTensorView dy) const {
    Passed passed{std::vector<float>(statistics()), std::vector<float>(slopes()),
                  std::vector<double>(sums())};
    add_sums(x, passed.sums);
    find_statistics(x.rows(), passed.sums, passed.statistics);
    std::ranges::fill(passed.sums, 0.0);
    add_backward_sums(passed.statistics, x, dy, passed.sums);
    find_slopes(theta, x.rows(), passed.statistics, passed.sums, passed.slopes);
    return passed;
  }

  double count_of(std::size_t rows) const { return static_cast<double>(rows * area_); }
  double scale_of(double variance) const { return 1 / std::sqrt(variance + epsilon_); }
  template <class T>
  std::span<const T> part(std::span<const T> all, std::size_t index) const {
    return all.subspan(index * channels_, channels_);
  }
  // Of the i-th value of a channel, counted over rows and area.
  std::size_t place(std::size_t c, std::size_t i) const {
    return (i / area_ * channels_ + c) * area_ + i % area_;
  }
  float at(ConstTensorView x, std::size_t c, std::size_t i) const {
    return x.values()[place(c, i)];
  }
  std::vector<double> channel(ConstTensorView x, std::size_t c) const {
    std::vector<double> values(x.rows() * area_);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = at(x, c, i);
    return values;
  }
  reference::RowMoments<double> moments(ConstTensorView x, std::size_t c) const {
    return reference::row_moments<double>(channel(x, c), epsilon_);
  }
  static double size(float x, double mean) {
    return std::abs(static_cast<double>(x)) + std::abs(mean);
  }
  struct MagnitudeSums {
    double sum, product;
  };
  MagnitudeSums magnitude_sums(ConstTensorView x, ConstTensorView v, std::size_t c, double mean,
                               double scale) const {
    MagnitudeSums sums{0, 0};
    for (std::size_t i = 0; i < x.rows() * area_; ++i) {
      const double g = at(v, c, i);
      sums.sum += g;
      sums.product += g * size(at(x, c, i), mean) * scale;
    }
    return sums;
  }

  BatchNorm layer_;
  Shape shape_;
  std::size_t channels_;
  std::size_t area_;
  double epsilon_;
};

}  // namespace

std::unique_ptr<const Operation> make_operation(const BatchNorm& layer, const Shape& input,
                                                const std::string& label) {
  if (input.rank() != 1 && input.rank() != 3)
    throw ShapeError(fmt::format(
        "{}: expected an input of shape (features) or (channels, height, width), got {}", label,
        input.to_string()));
  if (!(layer.epsilon > 0) || !std::isfinite(layer.epsilon))
    throw InvalidArgument(
        fmt::format("{}: epsilon must be positive and finite, got {}", label, layer.epsilon));
  if (!(layer.momentum >= 0 && layer.momentum <= 1))
    throw InvalidArgument(
        fmt::format("{}: momentum must be in [0, 1], got {}", label, layer.momentum));
  return std::make_unique<BatchNormOperation>(layer, input);
}

}  // namespace gradatim
