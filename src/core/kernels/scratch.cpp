#include "core/kernels/scratch.hpp"

#include "gradatim/core/convolution.hpp"

namespace gradatim::kernels {

std::size_t thread_bytes() { return scratch_taken(); }

}  // namespace gradatim::kernels
