#pragma once

#include <string_view>

namespace gradatim {

/// Whether a method that gives one number spends more evaluations to learn how good it is.
/// Forward and Central measure their truncation with a wider step; ComplexStep, Dual and Tape,
/// which are exact but for rounding, evaluate at x moved by one unit in the last place both ways,
/// of vectors by up to three, at 0 by epsilon. Errors of differences count what values of f are
/// rounded by, and those of Forward, Richardson, Ridders and Adaptive also what f loses by rounding
/// a multiple of its argument. Central's do not: at the roots of sin(10 x) it is up to 31 errors
/// off for x to 10, up to 990 for x to 100. What cancels inside f, as in sin(x)/x near 0, the exact
/// methods see too little of: there x moved by a unit moves the rounding as well, and by as much.
enum class ErrorEstimate {
  kAutomatic,  // as kMeasured where f takes float only, since nothing is precise there; else as
               // kNone
  kNone,       // error = NaN
  kMeasured,
};

// Every `step` is relative to the scale of x: the increment is step·max(1, |x|/16), so it is the
// number given for |x| <= 16 and proportional to |x| beyond. 0 means the method's own default for
// the precision in which f is evaluated.

/// (f(x+h) - f(x)) / h: two evaluations, truncation h/2·f''. Default step 2·sqrt(epsilon), the best
/// where f and f'' are as large.
struct Forward {
  double step = 0;
  ErrorEstimate error = ErrorEstimate::kAutomatic;
  static constexpr std::string_view kName = "forward";
};

/// (f(x+h) - f(x-h)) / ((x+h) - (x-h)): two evaluations, truncation h²/6·f'''. Default step 1e-6 in
/// double, cbrt(epsilon) in float and long double.
struct Central {
  double step = 0;
  ErrorEstimate error = ErrorEstimate::kAutomatic;
  static constexpr std::string_view kName = "central";
};

/// The symmetric stencil of order 4, 6 or 8 on as many points (Fornberg, "Generation of finite
/// difference formulas on arbitrarily spaced grids", Math. Comp. 51, 1988). The error is the change
/// from the stencil two orders lower, plus rounding. Default step epsilon^(1/(order+1)).
struct Stencil {
  int order = 6;
  double step = 0;
  static constexpr std::string_view kName = "stencil";
};

/// Central differences at step, step/2, ..., step/2^(levels-1), extrapolated to step 0 (Richardson,
/// 1911): truncation of order 2·levels. Default step 1/16.
struct Richardson {
  double step = 0;
  int levels = 6;
  static constexpr std::string_view kName = "richardson";
};

/// Richardson's table grown until rounding outweighs what a smaller step could still gain, giving
/// the entry whose neighbours agree best (Ridders, "Accurate computation of F'(x) and F'(x)F''(x)",
/// Adv. Eng. Software 4, 1982), which a look at a far smaller step confirms; where it does not, the
/// noise of f is measured and taken into account. Beside a straight line it sees a bend of 1e-4 and
/// wider. Steps at which f is not finite are passed over. Where nothing settles, and no step was
/// asked for, steps up to |x| are taken. Default step 0.37.
struct Ridders {
  double step = 0;
  double ratio = 2;  // between successive steps
  int levels = 44;   // at most
  static constexpr std::string_view kName = "ridders";
};

/// Im f(x + ih) / h: no cancellation, so h can be tiny and the truncation h²/6·f''' vanishes
/// (Squire and Trapp, SIAM Review 40, 1998). f must be analytic and take std::complex.
struct ComplexStep {
  double step = 0;
  ErrorEstimate error = ErrorEstimate::kAutomatic;
  static constexpr std::string_view kName = "complex-step";
};

/// The stencil of order 8 at the step that balances the noise of f, measured from a difference
/// table at neighbouring points (Moré and Wild, "Estimating computational noise", SIAM J. Sci.
/// Comput. 33, 2011), against the truncation, measured from the stencil of order 6. For functions
/// noisier than their floating-point type. Default first step 0.05.
struct Adaptive {
  double step = 0;
  int trials = 14;  // steps tried, at most
  static constexpr std::string_view kName = "adaptive";
};

/// Forward-mode automatic differentiation: f is evaluated on DualNumber. Exact but for rounding. An
/// infinite slope by one variable leaves the others theirs, at one evaluation more where it made
/// them NaN. A quotient by what is infinite counts as 0: 1/(1/x + 1/3) has slope 0 at 0, not 1.
struct Dual {
  ErrorEstimate error = ErrorEstimate::kAutomatic;
  static constexpr std::string_view kName = "dual";
};

/// Reverse-mode automatic differentiation: f is evaluated once on Variable, and one sweep back over
/// what was recorded gives a gradient of any width. Exact but for rounding.
struct Tape {
  ErrorEstimate error = ErrorEstimate::kAutomatic;
  static constexpr std::string_view kName = "tape";
};

}  // namespace gradatim
