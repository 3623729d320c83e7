#pragma once

#include <stdexcept>

namespace gradatim {

/// Everything gradatim throws derives from Error. A message names the operation, the layer, file
/// or line it is about, what was expected and what came. The library never prints it and never
/// exits (docs/principles.md, P6).
struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// An argument outside its documented domain: a range, a count, an unknown name.
struct InvalidArgument : Error {
  using Error::Error;
};

/// Tensors or layers whose shapes do not fit together.
struct ShapeError : InvalidArgument {
  using InvalidArgument::InvalidArgument;
};

/// A file, stream or download that is missing, damaged, or not what it claims to be.
struct DataError : Error {
  using Error::Error;
};

/// A value became NaN or infinite where the computation cannot go on.
struct NonFiniteError : Error {
  using Error::Error;
};

}  // namespace gradatim
