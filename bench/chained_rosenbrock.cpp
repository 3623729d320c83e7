#include "chained_rosenbrock.hpp"

namespace gradatim::bench {

double scalar_chained_rosenbrock(std::span<const double> x) { return ChainedRosenbrock{}(x); }

}  // namespace gradatim::bench
