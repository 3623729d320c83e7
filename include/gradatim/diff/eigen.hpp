#pragma once

#include <Eigen/Core>

#include "gradatim/diff/dual.hpp"
#include "gradatim/diff/tape.hpp"

// Lets Eigen's expressions hold DualNumber and Variable, and mix them with plain numbers, so that
// Dual and Tape work on f(const auto& x) of an Eigen vector. Include it after or instead of Eigen;
// gradatim.hpp does not. The other methods need nothing of it.
namespace gradatim::detail {

template <class D>
struct EigenTraits : Eigen::GenericNumTraits<D> {
  using Real = D;
  using NonInteger = D;
  using Nested = D;
  enum {
    IsComplex = 0,
    IsInteger = 0,
    IsSigned = 1,
    RequireInitialization = 1,
    ReadCost = 2,
    AddCost = 4,
    MulCost = 6
  };
};

}  // namespace gradatim::detail

template <class T, std::size_t N>
struct Eigen::NumTraits<gradatim::DualNumber<T, N>>
    : gradatim::detail::EigenTraits<gradatim::DualNumber<T, N>> {};
template <class S>
struct Eigen::NumTraits<gradatim::Variable<S>>
    : gradatim::detail::EigenTraits<gradatim::Variable<S>> {};

template <gradatim::Differential D, gradatim::Arithmetic A, class Operation>
struct Eigen::ScalarBinaryOpTraits<D, A, Operation> {
  using ReturnType = D;
};
template <gradatim::Arithmetic A, gradatim::Differential D, class Operation>
struct Eigen::ScalarBinaryOpTraits<A, D, Operation> {
  using ReturnType = D;
};
