#include "core/kernels/transpose.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/kernels/transpose.cpp"
#include <hwy/foreach_target.h>  // compiles this file again for each instruction set
#include <hwy/highway.h>

#include "core/kernels/transpose-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gradatim::kernels::HWY_NAMESPACE {

void TransposeOnce(std::size_t rows, std::size_t columns, ConstStridedRows from, StridedRows to) {
  Transpose(rows, columns, from, to);
}

}  // namespace gradatim::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gradatim::kernels {
namespace {
HWY_EXPORT(TransposeOnce);
}  // namespace

void transpose(std::size_t rows, std::size_t columns, ConstStridedRows from, StridedRows to) {
  HWY_DYNAMIC_DISPATCH(TransposeOnce)(rows, columns, from, to);
}

}  // namespace gradatim::kernels
#endif  // HWY_ONCE
