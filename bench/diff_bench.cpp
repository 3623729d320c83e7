// Differentiation: gradatim beside hand-written code, Boost.Math, GSL and Ceres, in one run.
//   diff_bench                      Google Benchmark's table; METHOD.md says how to read it
//   diff_bench --benchmark_filter=Rosenbrock
#include <benchmark/benchmark.h>
#include <ceres/numeric_diff_cost_function.h>
#include <gsl/gsl_deriv.h>

#include <array>
#include <boost/math/differentiation/finite_difference.hpp>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "chained_rosenbrock.hpp"
#include "gradatim/diff/derivative.hpp"
#include "gradatim/diff/gradient.hpp"

namespace {

namespace gd = gradatim;
namespace fd = boost::math::differentiation;

// --- one number: f(x) = 0.01 x² + 0.1 x, cheaper than anything around it, and exp(sin x)

struct Chapter {
  template <class S>
  S operator()(const S& x) const {
    return 0.01 * x * x + 0.1 * x;
  }
  static double slope(double x) { return 0.02 * x + 0.1; }
};

struct ExpSin {
  template <class S>
  S operator()(const S& x) const {
    using std::exp;
    using std::sin;
    return exp(sin(x));
  }
  static double slope(double x) { return std::cos(x) * std::exp(std::sin(x)); }
};

constexpr double kAt = 1.3;
// Boost's steps of orders 2, 4 and 8; that of order 1 is our own, 2 sqrt(epsilon).
constexpr double kBoostsStep = 8.7334765819235827e-06;  // cbrt(3 epsilon)
const double kBoostsStepOf4 = std::pow(11.25 * std::numeric_limits<double>::epsilon(), 1.0 / 5);
const double kBoostsStepOf8 = std::pow(551.25 * std::numeric_limits<double>::epsilon(), 1.0 / 9);

/// Makes the compiler forget what it knows of x. (benchmark::DoNotOptimize of a variable that it
/// may write to goes wrong with GCC 12.)
template <class T>
void forget(T& x) {
  asm volatile("" : "+m"(x));
}

template <class T>
void use(const T& value) {
  asm volatile("" : : "m"(value));
}

/// The root mean square of the errors at 200 points around kAt, relative to that of the slopes: one
/// point alone flatters whom it happens to suit.
template <class F, class D>
double relative_error(const D& differentiate) {
  constexpr int kPoints = 200;
  double errors = 0;
  double slopes = 0;
  for (int i = 0; i < kPoints; ++i) {
    const double x = kAt * (0.6 + 0.8 * i / kPoints);
    const double slope = F::slope(x);
    const double error = differentiate(x) - slope;
    errors += error * error;
    slopes += slope * slope;
  }
  return std::sqrt(errors / slopes);
}

/// Times differentiate(x) at an x the compiler does not know, and notes its relative error.
template <class F, class D>
void time_derivative(benchmark::State& state, const D& differentiate) {
  double x = kAt;
  for (auto _ : state) {
    forget(x);
    use(differentiate(x));
  }
  state.counters["relative_error"] = relative_error<F>(differentiate);
}

template <class F>
void evaluation(benchmark::State& state) {
  time_derivative<F>(state, F{});
  state.counters.clear();
}

template <class F>
void two_evaluations(benchmark::State& state) {
  double x = kAt;
  for (auto _ : state) {
    forget(x);
    use(F{}(x + 1e-6));
    use(F{}(x - 1e-6));
  }
}

// A method is given as a user writes it, in the call, where the compiler sees its options.

template <class F, class M>
void ours(benchmark::State& state, M method) {
  time_derivative<F>(state, [&](double x) { return gd::derivative(F{}, x, method()).value; });
}

/// With the error estimate used, as the peers' is: a number, which does not keep the rest of the
/// result in memory.
template <class F, class M>
void ours_with_error(benchmark::State& state, M method) {
  time_derivative<F>(state, [&](double x) {
    const auto d = gd::derivative(F{}, x, method());
    const double error = d.error;
    use(error);
    return d.value;
  });
}

template <class F, std::size_t Order>
void boost_difference(benchmark::State& state) {
  time_derivative<F>(
      state, [](double x) { return fd::finite_difference_derivative<F, double, Order>(F{}, x); });
}

template <class F, std::size_t Order>
void boost_difference_with_error(benchmark::State& state) {
  time_derivative<F>(state, [](double x) {
    double error = 0;
    const double d = fd::finite_difference_derivative<F, double, Order>(F{}, x, &error);
    use(error);
    return d;
  });
}

template <class F>
void boost_complex_step(benchmark::State& state) {
  time_derivative<F>(state, [](double x) { return fd::complex_step_derivative(F{}, x); });
}

template <class F>
void gsl_central(benchmark::State& state) {
  gsl_function function{[](double x, void*) { return F{}(x); }, nullptr};
  time_derivative<F>(state, [&](double x) {
    double value = 0;
    double error = 0;
    gsl_deriv_central(&function, x, 1e-3, &value, &error);
    use(error);
    return value;
  });
}

// --- Ceres differentiates residuals; one residual of one parameter is a derivative.

template <class F>
struct Residual {
  bool operator()(const double* x, double* residual) const {
    residual[0] = F{}(x[0]);
    return true;
  }
};

template <class F, ceres::NumericDiffMethodType Type>
void ceres_difference(benchmark::State& state) {
  ceres::NumericDiffCostFunction<Residual<F>, Type, 1, 1> cost(new Residual<F>);
  time_derivative<F>(state, [&](double x) {
    const double* parameters[] = {&x};
    double residual = 0;
    double value = 0;
    double* jacobians[] = {&value};
    cost.Evaluate(parameters, &residual, jacobians);
    return value;
  });
}

template <class F>
void register_derivatives(const std::string& f) {
  const auto add = [&f](const char* name, auto function) {
    benchmark::RegisterBenchmark((f + "/" + name).c_str(), function);
  };
  const auto add_ours = [&](const char* name, auto method) {
    add(name, [method](benchmark::State& state) { ours<F>(state, method); });
  };
  const auto add_ours_with_error = [&](const char* name, auto method) {
    add(name, [method](benchmark::State& state) { ours_with_error<F>(state, method); });
  };
  constexpr auto kMeasured = gd::ErrorEstimate::kMeasured;
  add("evaluation", evaluation<F>);
  add("two_evaluations", two_evaluations<F>);
  add_ours("forward/gradatim", [] { return gd::Forward{}; });
  add("forward/ceres", ceres_difference<F, ceres::FORWARD>);
  add("forward/boost_order_1", boost_difference<F, 1>);
  add_ours_with_error("forward_with_error/gradatim",
                      [] { return gd::Forward{.error = kMeasured}; });
  add("forward_with_error/boost_order_1", boost_difference_with_error<F, 1>);
  add_ours("central/gradatim", [] { return gd::Central{}; });
  // Boost's step, for its accuracy: the default is the smaller one of the course's tradition.
  add_ours("central/gradatim_boosts_step", [] { return gd::Central{.step = kBoostsStep}; });
  add("central/ceres", ceres_difference<F, ceres::CENTRAL>);
  add("central/boost_order_2", boost_difference<F, 2>);
  add_ours_with_error("central_with_error/gradatim_boosts_step",
                      [] { return gd::Central{.step = kBoostsStep, .error = kMeasured}; });
  add("central_with_error/boost_order_2", boost_difference_with_error<F, 2>);
  add_ours_with_error("stencil/gradatim_order_4", [] { return gd::Stencil{.order = 4}; });
  add("stencil/gsl_deriv_central", gsl_central<F>);
  add_ours_with_error("stencil/gradatim_order_4_boosts_step",
                      [] { return gd::Stencil{.order = 4, .step = kBoostsStepOf4}; });
  add("stencil/boost_order_4", boost_difference_with_error<F, 4>);
  add_ours_with_error("stencil/gradatim_order_6", [] { return gd::Stencil{.order = 6}; });
  add("stencil/boost_order_6", boost_difference_with_error<F, 6>);
  add_ours_with_error("stencil/gradatim_order_8", [] { return gd::Stencil{.order = 8}; });
  add_ours_with_error("stencil/gradatim_order_8_boosts_step",
                      [] { return gd::Stencil{.order = 8, .step = kBoostsStepOf8}; });
  add("stencil/boost_order_8", boost_difference_with_error<F, 8>);
  add_ours_with_error("ridders/gradatim", [] { return gd::Ridders{}; });
  add("ridders/ceres", ceres_difference<F, ceres::RIDDERS>);
  add_ours_with_error("adaptive/gradatim", [] { return gd::Adaptive{}; });
  add_ours("complex_step/gradatim", [] { return gd::ComplexStep{}; });
  add("complex_step/boost", boost_complex_step<F>);
  add_ours("dual/gradatim", [] { return gd::Dual{}; });
}

// --- Rosenbrock's function of two numbers; in as large a program as this one GCC would inline some
// of what is timed and some not.
#define INLINED __attribute__((always_inline))

struct Rosenbrock {
  template <class X>
  auto operator()(const X& x) const {
    const auto bend = x[1] - x[0] * x[0];
    const auto rest = 1.0 - x[0];
    return 100.0 * (bend * bend) + rest * rest;
  }
};

std::array<double, 2> hand_written(const std::array<double, 2>& x) {
  const double bend = x[1] - x[0] * x[0];
  return {-400 * bend * x[0] - 2 * (1 - x[0]), 200 * bend};
}

template <class D>
void time_gradient(benchmark::State& state, const D& differentiate) {
  std::array<double, 2> x{-1.2, 1};
  for (auto _ : state) {
    forget(x);
    use(differentiate(x));
  }
}

/// As a descent uses it: every gradient waits for the one before.
template <class D>
void time_descent_step(benchmark::State& state, const D& differentiate) {
  std::array<double, 2> x{-1.2, 1};
  forget(x);
  for (auto _ : state) {
    const std::array<double, 2> gradient = differentiate(x);
    x[0] -= 1e-3 * gradient[0];
    x[1] -= 1e-3 * gradient[1];
  }
  use(x);
}

void descent_by_hand(benchmark::State& state) {
  time_descent_step(state, [](const auto& x) INLINED { return hand_written(x); });
}
void descent_by_dual(benchmark::State& state) {
  time_descent_step(
      state, [](const auto& x) INLINED { return gd::gradient(Rosenbrock{}, x, gd::Dual{}).value; });
}
void rosenbrock_by_hand(benchmark::State& state) {
  time_gradient(state, [](const auto& x) INLINED { return hand_written(x); });
}
void rosenbrock_by_dual(benchmark::State& state) {
  time_gradient(
      state, [](const auto& x) INLINED { return gd::gradient(Rosenbrock{}, x, gd::Dual{}).value; });
}
void rosenbrock_by_central(benchmark::State& state) {
  time_gradient(state, [](const auto& x)
                           INLINED { return gd::gradient(Rosenbrock{}, x, gd::Central{}).value; });
}

struct ValueAndGradient {
  double value;
  std::array<double, 2> gradient;
};
void rosenbrock_value_by_hand(benchmark::State& state) {
  time_gradient(state, [](const auto& x) {
    const double bend = x[1] - x[0] * x[0];
    const double rest = 1 - x[0];
    return ValueAndGradient{100 * (bend * bend) + rest * rest,
                            {-400 * bend * x[0] - 2 * rest, 200 * bend}};
  });
}
void rosenbrock_value_by_dual(benchmark::State& state) {
  time_gradient(state, [](const auto& x) INLINED {
    ValueAndGradient both;
    both.value =
        gd::value_and_gradient(Rosenbrock{}, x, std::span<double>(both.gradient), gd::Dual{});
    return both;
  });
}

struct RosenbrockResidual {
  bool operator()(const double* x, double* residual) const {
    residual[0] = Rosenbrock{}(x);
    return true;
  }
};
void rosenbrock_by_ceres(benchmark::State& state) {
  ceres::NumericDiffCostFunction<RosenbrockResidual, ceres::CENTRAL, 1, 2> cost(
      new RosenbrockResidual);
  time_gradient(state, [&](const auto& x) INLINED {
    const double* parameters[] = {x.data()};
    std::array<double, 2> gradient{};
    double residual = 0;
    double* jacobians[] = {gradient.data()};
    cost.Evaluate(parameters, &residual, jacobians);
    return gradient;
  });
}

// --- Rosenbrock's function chained over 10,000

constexpr std::size_t kLong = 10'000;

using gradatim::bench::ChainedRosenbrock;

std::vector<double> long_point() {
  std::vector<double> x(kLong);
  for (std::size_t i = 0; i < kLong; ++i) x[i] = std::sin(static_cast<double>(i));
  return x;
}

void long_evaluation(benchmark::State& state) {
  auto x = long_point();
  for (auto _ : state) {
    benchmark::ClobberMemory();
    use(gradatim::bench::scalar_chained_rosenbrock(x));
  }
}

void long_by_tape(benchmark::State& state) {
  const auto x = long_point();
  std::vector<double> d_x(kLong);
  for (auto _ : state) {
    benchmark::ClobberMemory();
    use(gd::value_and_gradient(ChainedRosenbrock{}, x, std::span(d_x), gd::Tape{}));
  }
}

void register_gradients() {
  benchmark::RegisterBenchmark("rosenbrock_2_descent/by_hand", descent_by_hand);
  benchmark::RegisterBenchmark("rosenbrock_2_descent/dual/gradatim", descent_by_dual);
  benchmark::RegisterBenchmark("rosenbrock_2/by_hand", rosenbrock_by_hand);
  benchmark::RegisterBenchmark("rosenbrock_2/dual/gradatim", rosenbrock_by_dual);
  benchmark::RegisterBenchmark("rosenbrock_2_with_value/by_hand", rosenbrock_value_by_hand);
  benchmark::RegisterBenchmark("rosenbrock_2_with_value/dual/gradatim", rosenbrock_value_by_dual);
  benchmark::RegisterBenchmark("rosenbrock_2/central/gradatim", rosenbrock_by_central);
  benchmark::RegisterBenchmark("rosenbrock_2/central/ceres", rosenbrock_by_ceres);
  benchmark::RegisterBenchmark("rosenbrock_10000/evaluation", long_evaluation)
      ->Unit(benchmark::kMicrosecond);
  benchmark::RegisterBenchmark("rosenbrock_10000/tape/gradatim", long_by_tape)
      ->Unit(benchmark::kMicrosecond);
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  register_derivatives<Chapter>("chapter");
  register_derivatives<ExpSin>("exp_sin");
  register_gradients();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
