#include "diff/probe.hpp"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "gradatim/diff/extrapolation.hpp"

namespace gradatim::detail {
namespace {

/// g around x at one step.
template <class E>
struct Sample {
  E step;
  E g_above;
  E g_below;
  E slope_above;  // (g(x+h) - g(x)) / h
  E slope_below;  // (g(x) - g(x-h)) / h
  E slope;        // (g(x+h) - g(x-h)) / 2h
  E rounding;     // its error
  E noise;        // of either one-sided slope, from rounding
  E kink = 0;     // the gap between the slopes without its part in proportion to h

  E gap() const { return slope_above - slope_below; }
};

/// Samples g at steps that halve until the derivative has settled or the steps run out, then says
/// what g looks like there. The gap between the one-sided slopes is K + g''·h + O(h³), K at a kink
/// and 0 elsewhere: it is extrapolated to h = 0, since as long as g''·h is larger it falls with h
/// at a kink too. A jump keeps |g(x±h) - g(x)|.
template <class E>
class Probe {
 public:
  /// `noise` of g, where that is more than rounding of its values.
  Probe(const CheckedSlice<E>& g, E x, E g_x, E analytic, E noise, const ProbeOptions& options)
      : g_(g),
        x_(x),
        g_x_(g_x),
        analytic_(analytic),
        noise_(noise),
        step_(options.step),
        target_(static_cast<E>(options.target)) {}

  Probed<E> run() {
    Probed<E> p;
    if (!std::isfinite(g_x_)) return p;
    sample_until_settled();
    p.island = is_island();
    if (samples_.empty() || p.island) return p;
    const auto best = conclusion(doubted_, table_.best());
    p.value = best.value;
    p.error = best.error;
    p.doubted = std::isfinite(doubted_.error);
    p.flat = std::ranges::all_of(samples_, [this](const auto& s) { return is_flat(s); });
    p.secant =
        std::max(std::abs(samples_.front().slope_above), std::abs(samples_.front().slope_below));
    const Sample<E>& last = last_significant();
    p.slope_above = last.slope_above;
    p.slope_below = last.slope_below;
    p.shape = shape();
    if (p.shape == Shape1D::kSmooth && !settled_) p.lasting_gap = lasting_gap();
    return p;
  }

 private:
  static constexpr int kMostLevels = 44;
  static constexpr std::size_t kLeastRows = 5;  // below which agreement may be chance
  static constexpr int kMostIdleRows = 6;       // of the table, without a better entry
  static constexpr E kKinkNoise = 20;           // noises of a slope that Sample::kink must exceed
  static constexpr std::size_t kTail = 8;       // samples that must agree on a kink or a jump

  void sample_until_settled() {
    double step = step_;
    const double smallest = 8 * static_cast<double>(smallest_step(x_));
    for (int level = 0; level < kMostLevels && step >= smallest && !settled_; ++level, step /= 2)
      sample(around(x_, step, "check_gradient"));
  }

  void sample(const Abscissae<E>& at) {
    const E above = g_(at.above);
    const E below = g_(at.below);
    if (!std::isfinite(above) || !std::isfinite(below)) {
      above_missing_ |= !std::isfinite(above);
      below_missing_ |= !std::isfinite(below);
      table_.interrupt();
      gaps_.interrupt();
      samples_.clear();
      return;
    }
    const E slope = (above - below) / at.width();
    const E per_width = 1 / at.width();
    const E rounding =
        std::max(rounding_error(above, below, per_width) + argument_error(x_, slope, per_width),
                 noise_ / at.step());
    const E best = table_.error();
    table_.add(slope, rounding, at.step());
    rows_since_best_ = table_.error() < best ? 0 : rows_since_best_ + 1;
    const E magnitude = std::max({std::abs(above), std::abs(below), std::abs(g_x_)});
    const E noise = std::max(
        {std::numeric_limits<E>::epsilon() * magnitude, noise_, std::numeric_limits<E>::min()});
    samples_.push_back({.step = at.step(),
                        .g_above = above,
                        .g_below = below,
                        .slope_above = (above - g_x_) / (at.above - x_),
                        .slope_below = (g_x_ - below) / (x_ - at.below),
                        .slope = slope,
                        .rounding = rounding,
                        .noise = 4 * noise / at.step()});
    follow_gap();
    const E magnitude_of_slope = std::abs(table_.value());
    const bool precise = table_.error() <= target_ * magnitude_of_slope;
    const bool idle =
        rows_since_best_ > kMostIdleRows && 1000 * table_.error() < magnitude_of_slope;
    const bool exhausted = 2 * rounding >= table_.error() || idle;
    settled_ =
        table_.rows() >= kLeastRows && (precise || exhausted) && looks_smooth() && is_confirmed();
  }

  /// A gap that was taken for a kink's and is gone at a smaller step was a round corner's.
  void follow_gap() {
    Sample<E>& s = samples_.back();
    s.kink = samples_.size() < 2 ? s.gap() : 2 * s.gap() - samples_[samples_.size() - 2].gap();
    const E settled = std::abs(gaps_.value());
    const bool rounded_off = 2 * (std::abs(s.kink) + kKinkNoise * s.noise) < settled;
    if (rounded_off && settled > 4 * gaps_.error()) gaps_ = ExtrapolationTable<E>{2, 1};
    const E best = gaps_.error();
    gaps_.add(s.gap(), s.noise, s.step);
    gaps_since_best_ = gaps_.error() < best ? 0 : gaps_since_best_ + 1;
  }

  /// The gap at h = 0 is below what matters, or lost in an error that no smaller step reduces.
  bool looks_smooth() const {
    const E gap = std::abs(gaps_.value());
    if (gap + gaps_.error() <= 10 * target_ * std::abs(table_.value())) return true;
    const Sample<E>& last = samples_.back();
    const bool lost = std::abs(last.kink) <= kKinkNoise * last.noise;
    const bool exhausted = 2 * last.noise > gaps_.error() || gaps_since_best_ > kMostIdleRows;
    return lost && exhausted && gap <= 4 * gaps_.error();
  }

  /// Halved steps may all be whole periods of f, or all miss what happens near x. One difference at
  /// a far smaller step in no simple ratio to them decides whether to believe them; where it
  /// disagrees the table begins anew. What would refute `analytic` is not excused by noise.
  bool is_confirmed() {
    if (!is_outdated()) {
      const E value = table_.value();
      const auto look = look_again(g_, x_, g_x_, samples_.back().step, table_.best(), noise_);
      const bool refutes = std::abs(value - analytic_) > table_.error() + target_ * std::abs(value);
      if (!(refutes ? look.disagrees_unless_noisy() : look.disagrees())) return true;
    }
    doubted_ = std::exchange(table_, ExtrapolationTable<E>{2}).best();
    gaps_ = ExtrapolationTable<E>{2, 1};
    return false;
  }

  /// Rows far out may have agreed more closely than smaller steps can, on the slope over a kink
  /// beside x or on none at all: the last three differences see another.
  bool is_outdated() const {
    const Sample<E>& last = samples_.back();
    const Sample<E>& before = samples_[samples_.size() - 2];
    const Sample<E>& first = samples_[samples_.size() - 3];
    const E change =
        std::max(std::abs(last.slope - before.slope), std::abs(before.slope - first.slope));
    return std::abs(last.slope - table_.value()) > 4 * table_.error() + 8 * last.rounding + change;
  }

  /// f is finite only on a speck around x: what lies beyond it on both sides is no function.
  bool is_island() const {
    return !samples_.empty() && above_missing_ && below_missing_ &&
           samples_.front().step < E(1e-6) * step_scale(x_);
  }

  bool is_flat(const Sample<E>& s) const { return s.g_above == g_x_ && s.g_below == g_x_; }

  bool is_significant(const Sample<E>& s) const { return std::abs(s.gap()) > 8 * s.noise; }

  const Sample<E>& last_significant() const {
    const auto found = std::find_if(samples_.rbegin(), samples_.rend(),
                                    [this](const auto& s) { return is_significant(s); });
    return found == samples_.rend() ? samples_.back() : *found;
  }

  Shape1D shape() {
    if (jumps_beyond_a_flat()) return Shape1D::kJump;
    if (settled_) return Shape1D::kSmooth;
    const auto jump = [this](const Sample<E>& s) {
      return std::max(std::abs(s.g_above - g_x_), std::abs(s.g_below - g_x_));
    };
    const auto jump_noise = [](const Sample<E>& s) { return 16 * s.noise * s.step; };
    if (tail_ratio(jump, jump_noise, samples_.size()) > 0.9) return Shape1D::kJump;
    const auto kink = [](const Sample<E>& s) { return std::abs(s.kink); };
    const auto kink_noise = [](const Sample<E>& s) { return kKinkNoise * s.noise; };
    for (std::size_t end = samples_.size(); end >= kTail; --end) {
      const double ratio = tail_ratio(kink, kink_noise, end);
      if (ratio > 0.85 && ratio < 1.2) return Shape1D::kKink;
    }
    const auto noise = [](const Sample<E>& s) { return 8 * s.noise; };
    const auto slope = [](const Sample<E>& s) { return std::abs(s.slope_above + s.slope_below); };
    if (tail_ratio(slope, noise, samples_.size()) > 1.2) return Shape1D::kUnbounded;
    return Shape1D::kSmooth;
  }

  /// The factor by which `measure` changes when the step halves, if it is much the same over the
  /// last kTail of the first `end` samples where it stands out of its noise; otherwise 0, as for
  /// noise itself.
  template <class Measure, class Noise>
  double tail_ratio(const Measure& measure, const Noise& noise, std::size_t end) const {
    while (end > 0 && !(measure(samples_[end - 1]) > noise(samples_[end - 1]))) --end;
    if (end < kTail) return 0;
    double low = std::numeric_limits<double>::infinity();
    double high = 0;
    for (std::size_t i = end - kTail + 1; i < end; ++i) {
      const auto ratio = static_cast<double>(measure(samples_[i]) / measure(samples_[i - 1]));
      low = std::min(low, ratio);
      high = std::max(high, ratio);
    }
    return high < 1.4 * low ? (low + high) / 2 : 0;
  }

  /// The largest gap between the slopes of the kTail samples up to the last where it is seen, if it
  /// neither falls with the step, as a curve's, nor rises as rounding does, as that of x sin(1/x)
  /// at 0, whose differences are 0; otherwise 0.
  E lasting_gap() const {
    std::size_t end = samples_.size();
    while (end > 0 && !is_significant(samples_[end - 1])) --end;
    if (end < kTail) return 0;
    E largest[2] = {0, 0};  // of the first half and the second
    for (std::size_t i = 0; i < kTail; ++i) {
      E& half = largest[2 * i / kTail];
      half = std::max(half, std::abs(samples_[end - kTail + i].gap()));
    }
    const bool lasts = 2 * largest[1] > largest[0] && largest[1] < 4 * largest[0];
    return lasts ? std::max(largest[0], largest[1]) : E(0);
  }

  /// Constant next to x, but not as far as the first step: whether a step of a step function lies
  /// between, found by bisection. Its derivative 0 would say nothing of it.
  bool jumps_beyond_a_flat() {
    if (!is_flat(samples_.back())) return false;
    const auto varied = std::find_if(samples_.rbegin(), samples_.rend(),
                                     [this](const auto& s) { return !is_flat(s); });
    if (varied == samples_.rend()) return false;
    const E sign = varied->g_above != g_x_ ? E(1) : E(-1);
    const E rise = std::abs((sign > 0 ? varied->g_above : varied->g_below) - g_x_);
    if (rise <= 16 * varied->noise * varied->step) return false;
    E flat = 0;
    E risen = varied->step;
    while (risen - flat > E(1e-9) * varied->step) {
      const E middle = (flat + risen) / 2;
      if (middle == flat || middle == risen) break;
      const E rise_there = std::abs(g_(x_ + sign * middle) - g_x_);
      if (rise_there == 0)
        flat = middle;
      else if (!(rise_there < rise / 2))
        risen = middle;
      else
        return false;
    }
    return true;
  }

  CheckedSlice<E> g_;
  E x_;
  E g_x_;
  E analytic_;
  E noise_;
  double step_;
  E target_;
  ExtrapolationTable<E> table_{2};
  Conclusion<E> doubted_;
  ExtrapolationTable<E> gaps_{2, 1};
  std::vector<Sample<E>> samples_;
  int rows_since_best_ = 0;
  int gaps_since_best_ = 0;  // rows of gaps_
  bool settled_ = false;
  bool above_missing_ = false;
  bool below_missing_ = false;
};

/// Stairs of noise look like a jump, and slopes of noise refute whatever is right.
template <class E>
bool is_doubtful(const Probed<E>& p, E analytic, const ProbeOptions& options) {
  const E tolerance = static_cast<E>(options.target) * std::abs(analytic);
  const bool agrees = std::abs(p.value - analytic) <= 4 * p.error + tolerance;
  return !p.island && p.shape != Shape1D::kKink && !(p.shape == Shape1D::kSmooth && agrees);
}

/// What steps up to |x| see, if they agree on three digits, and on more than the larger ones: those
/// may all have left the domain of g, as of log at 1e-20, or have crossed a pole. Within a stair of
/// what g rounds they agree too, but over the first of them g does not rise as much.
template <class E>
Probed<E> probe_closer(const CheckedSlice<E>& g, E x, E g_x, E analytic, E noise,
                       ProbeOptions options, const Probed<E>& p) {
  options.step *= static_cast<double>(std::abs(x));
  if (!(std::abs(x) < 1) || !(options.step > 16 * static_cast<double>(smallest_step(x)))) return p;
  const auto closer = Probe<E>(g, x, g_x, analytic, noise, options).run();
  const bool is_clear = closer.shape == Shape1D::kSmooth &&
                        is_clear_slope(closer.value, closer.error, closer.secant) &&
                        !(p.shape == Shape1D::kSmooth &&
                          p.error * std::abs(closer.value) <= closer.error * std::abs(p.value));
  return is_clear ? closer : p;
}

/// Where what was seen first is looked at anew until it agrees with `analytic`, that may be chance:
/// it is as uncertain as it is far from what steps that ask nothing of it agree on to three digits.
template <class E>
void hold_against_unbiased(const Probed<E>& unbiased, Probed<E>& p) {
  const E apart = std::abs(unbiased.value - p.value);
  const bool is_clear =
      unbiased.shape == Shape1D::kSmooth && 1000 * unbiased.error < std::abs(unbiased.value);
  if (is_clear && apart > 10 * (unbiased.error + p.error)) p.error = apart;
}

template <class E>
Probed<E> best_probe(const CheckedSlice<E>& g, E x, E g_x, E analytic,
                     const ProbeOptions& options) {
  auto p = Probe<E>(g, x, g_x, analytic, 0, options).run();
  const bool is_settled = !p.doubted && !is_doubtful(p, analytic, options);
  if (!std::isfinite(g_x) || is_settled) return p;
  std::size_t unused = 0;  // g counts
  const E first_step = around(x, options.step, "check_gradient").step();
  const E noise = measured_noise(g, x, g_x, first_step / 1024, unused);
  if (is_doubtful(p, analytic, options)) {
    if (noise > 0) p = Probe<E>(g, x, g_x, analytic, noise, options).run();
    if (is_doubtful(p, analytic, options)) p = probe_closer(g, x, g_x, analytic, noise, options, p);
  }
  if (p.shape != Shape1D::kSmooth || p.island || is_doubtful(p, analytic, options)) return p;
  constexpr E kNothing = std::numeric_limits<E>::quiet_NaN();
  hold_against_unbiased(Probe<E>(g, x, g_x, kNothing, noise, options).run(), p);
  return p;
}

}  // namespace

template <class E>
Probed<E> probe(const CheckedSlice<E>& g, E x, E g_x, double analytic,
                const ProbeOptions& options) {
  Probed<E> p = best_probe(g, x, g_x, static_cast<E>(analytic), options);
  if (p.lasting_gap > 0) p.error = std::max(p.error, p.lasting_gap / 2);
  return p;
}

template Probed<float> probe(const CheckedSlice<float>&, float, float, double, const ProbeOptions&);
template Probed<double> probe(const CheckedSlice<double>&, double, double, double,
                              const ProbeOptions&);
template Probed<long double> probe(const CheckedSlice<long double>&, long double, long double,
                                   double, const ProbeOptions&);

}  // namespace gradatim::detail
