#include "gradatim/diff/result.hpp"

namespace gradatim {

std::string_view to_string(Status status) {
  switch (status) {
    case Status::kOk:
      return "ok";
    case Status::kNotConverged:
      return "not converged";
    case Status::kInputModified:
      return "input modified";
    case Status::kNonFinite:
      return "non-finite";
  }
  return "unknown";
}

}  // namespace gradatim
