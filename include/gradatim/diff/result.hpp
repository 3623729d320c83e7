#pragma once

#include <cstddef>
#include <limits>
#include <string_view>
#include <vector>

namespace gradatim {

/// What a differentiation met. Ordered: the later is the worse, and a gradient carries its worst
/// entry's.
enum class Status {
  kOk,
  kNotConverged,   // the estimates at shrinking steps never agreed to one digit, or a last one at a
                   // step in no simple ratio to them differs from what they agreed on, or one of
                   // several such did and none confirmed what they agreed on later, or differences
                   // at smaller steps are 0 where larger ones saw a slope, as left of relu's kink
  kInputModified,  // f wrote to its argument; each evaluation was given a fresh copy nonetheless
  kNonFinite,      // f or its derivative is NaN or infinite there
};

std::string_view to_string(Status status);

/// f'(x). `error` estimates |value - f'(x)|; NaN where the method does not know it, never 0. `step`
/// is the increment the value rests on (NaN for methods without one).
template <class T>
struct Derivative {
  T value = std::numeric_limits<T>::quiet_NaN();
  T error = std::numeric_limits<T>::quiet_NaN();
  T step = std::numeric_limits<T>::quiet_NaN();
  std::size_t evaluations = 0;
  Status status = Status::kOk;
  std::string_view method = {};
};

/// The gradient of f: R^n -> R as containers of the kind of x (a span gives vectors), with the
/// error and the step of every entry as in Derivative. Indexing and iterating give the values.
template <class Container>
struct Gradient {
  Container value = {};
  Container error = {};
  Container step = {};
  std::size_t evaluations = 0;
  Status status = Status::kOk;
  std::string_view method = {};

  std::size_t size() const { return static_cast<std::size_t>(value.size()); }
  decltype(auto) operator[](std::size_t i) const { return *(value.data() + i); }
  auto begin() const { return value.data(); }
  auto end() const { return value.data() + size(); }
};

/// A (rows, columns) matrix of derivatives, row-major: the Jacobian d f_i / d x_j, or the Hessian.
template <class T>
struct DerivativeMatrix {
  std::size_t rows = 0;
  std::size_t columns = 0;
  std::vector<T> value = {};
  std::vector<T> error = {};
  std::vector<T> step = {};
  std::size_t evaluations = 0;
  Status status = Status::kOk;
  std::string_view method = {};

  T operator()(std::size_t i, std::size_t j) const { return value[i * columns + j]; }
};

namespace detail {

inline Status worse(Status a, Status b) { return a < b ? b : a; }

}  // namespace detail
}  // namespace gradatim
