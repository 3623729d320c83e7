// Products by the matrix unit, and whether there is one.
#include "core/kernels/amx_unit.hpp"

#if defined(__x86_64__) && defined(__linux__)

#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>

#include "core/kernels/amx_operands.hpp"
#include "core/kernels/scratch.hpp"

namespace gradatim::kernels::amx::unit {
namespace {

constexpr std::size_t kGroup = 4 * kBlock;  // rows of dw that pass each 32 columns of dy together
constexpr long kTileStride = 64;            // bytes

// Tiles 0 to 3 hold the sums of two by two tiles, 4 and 5 those of the left operand, 6 and 7 of the
// right one. Those of a row of tiles have its rows.
GRADATIM_AMX void set_tile_rows(std::size_t rows) {
  struct alignas(kAlignment) {
    std::uint8_t palette = 1;
    std::uint8_t start_row = 0;
    std::uint8_t reserved[14] = {};
    std::uint16_t row_bytes[16] = {};
    std::uint8_t rows[16] = {};
  } config;
  const auto upper = static_cast<std::uint8_t>(std::min(rows, kSide));
  const auto lower = static_cast<std::uint8_t>(rows > kSide ? rows - kSide : kSide);
  const std::uint8_t tile_rows[8] = {upper, upper, lower, lower, upper, lower, kSide, kSide};
  for (std::size_t i = 0; i < 8; ++i) {
    config.row_bytes[i] = kTileStride;
    config.rows[i] = tile_rows[i];
  }
  // GCC's intrinsic says nothing of most of what it reads.
  std::atomic_signal_fence(std::memory_order_seq_cst);
  _tile_loadconfig(&config);
}

// c[0, a.rows)[0, 16 or 32) = a b, where the steps of b lie b_stride apart, and the tiles of its
// second 16 columns behind those of the first; at each step some of another operand is packed.
// Names of tiles must be digits.
template <bool kTwoRows, bool kTwoColumns>
GRADATIM_AMX void multiply(const LeftOperand& a, const Bfloat16* b, std::size_t b_stride, float* c,
                           std::size_t c_stride, PanelPacker& next) {
  std::atomic_signal_fence(std::memory_order_seq_cst);  // as above
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (std::size_t i = 0; i < a.count; ++i) {
    const Bfloat16* left = a.tiles + i * 2 * kTile;
    const Bfloat16* right = b + a.steps[i] * b_stride;
    _tile_loadd(4, left, kTileStride);
    if constexpr (kTwoRows) _tile_loadd(5, left + kTile, kTileStride);
    for (std::size_t part = 0; part < kParts; ++part) {
      _tile_loadd(6, right + part * kTile, kTileStride);
      if constexpr (kTwoColumns) _tile_loadd(7, right + kColumnTiles + part * kTile, kTileStride);
      _tile_dpbf16ps(0, 4, 6);
      if constexpr (kTwoRows) _tile_dpbf16ps(2, 5, 6);
      if constexpr (kTwoColumns) _tile_dpbf16ps(1, 4, 7);
      if constexpr (kTwoRows && kTwoColumns) _tile_dpbf16ps(3, 5, 7);
    }
    next.advance();
  }
  const auto stride = static_cast<long>(c_stride * sizeof(float));
  _tile_stored(0, c, stride);
  if constexpr (kTwoColumns) _tile_stored(1, c + kSide, stride);
  if constexpr (kTwoRows) _tile_stored(2, c + kSide * c_stride, stride);
  if constexpr (kTwoRows && kTwoColumns) _tile_stored(3, c + kSide * c_stride + kSide, stride);
}

// The tiles of the calling thread, until the end of the scope. To set their rows takes as long as
// twenty of the unit's instructions: only where they change.
class Tiles {
 public:
  Tiles() = default;
  Tiles(const Tiles&) = delete;
  Tiles& operator=(const Tiles&) = delete;
  GRADATIM_AMX ~Tiles() { _tile_release(); }

  // As `multiply`, of so many columns, or the first 32 of them.
  void multiply_block(const LeftOperand& a, std::size_t columns, const Bfloat16* b,
                      std::size_t b_stride, float* c, std::size_t c_stride, PanelPacker& next) {
    if (a.rows != rows_) set_tile_rows(a.rows);
    rows_ = a.rows;
    const bool two_columns = columns > kSide;
    if (a.rows > kSide)
      two_columns ? multiply<true, true>(a, b, b_stride, c, c_stride, next)
                  : multiply<true, false>(a, b, b_stride, c, c_stride, next);
    else
      two_columns ? multiply<false, true>(a, b, b_stride, c, c_stride, next)
                  : multiply<false, false>(a, b, b_stride, c, c_stride, next);
  }

 private:
  std::size_t rows_ = 0;  // of a block, that they are set to
};

// Room for as many blocks of 32 rows.
std::span<LeftOperand> left_operands(std::size_t rows, std::size_t depth) {
  const std::size_t blocks = (rows + kBlock - 1) / kBlock;
  const std::size_t steps = steps_over(depth);
  const auto operands = scratch<Use::blocks, LeftOperand>(blocks);
  const auto tiles = scratch<Use::tiles, Bfloat16>(blocks * steps * 2 * kTile);
  const auto numbers = scratch<Use::steps, std::uint32_t>(blocks * steps);
  for (std::size_t i = 0; i < blocks; ++i)
    operands[i] = {tiles.data() + i * steps * 2 * kTile, numbers.data() + i * steps};
  return operands;
}

// Room for so many of 32 columns.
std::span<Bfloat16> right_operands(std::size_t count, std::size_t depth) {
  return scratch<Use::weight, Bfloat16>(count * steps_over(depth) * 2 * kColumnTiles);
}

// to[r][0, columns) = scale · block[r][...]
GRADATIM_AMX void write_scaled(const float (&block)[kBlock][kBlock], std::size_t rows,
                               std::size_t columns, float scale, float* to, std::size_t stride) {
  const __m512 factor = _mm512_set1_ps(scale);
  const __mmask32 inside = first_lanes(columns);
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t j = 0; j < columns; j += kSide)
      _mm512_mask_storeu_ps(to + r * stride + j, static_cast<__mmask16>(inside >> j),
                            _mm512_mul_ps(factor, _mm512_load_ps(block[r] + j)));
}

bool processor_has_unit() {
  constexpr unsigned kBf16 = 1U << 22U;
  constexpr unsigned kTiles = 1U << 24U;
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d & kBf16) != 0 && (d & kTiles) != 0;
}

}  // namespace

// Linux keeps the tiles of a process only where it has asked for them.
bool is_there() {
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long kTileData = 18;               // XFEATURE_XTILEDATA
  return processor_has_unit() && syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

std::size_t packed_size(std::size_t rows, std::size_t columns) {
  return steps_over(rows) * tiles_over(columns) * kColumnTiles;
}

void pack(ConstTensorView x, std::size_t first, std::size_t rows, Bfloat16* packed) {
  const std::size_t columns = x.shape()[1];
  const Rows some{x.data(), columns, first, first + x.rows()};
  const std::size_t end = some.last == rows ? steps_over(rows) * kDepth : some.last;
  for (std::size_t step = first / kDepth; step * kDepth < end; ++step)
    for (std::size_t j = 0; j < columns; j += kSide)
      pack_tiles(some, step, end, j, columns,
                 packed + (step * tiles_over(columns) + j / kSide) * kColumnTiles);
}

// 32 columns of w at a time are split into parts, which stay in the cache for all rows; meanwhile
// the next 32 are.
void byte_products(TensorView<const std::uint8_t> bytes, const Part& part, ConstTensorView w,
                   TensorView<float> products) {
  const std::size_t units = w.shape()[1];
  const std::size_t columns = products.shape()[1];
  const std::size_t depth = part.last_input - part.first_input;
  const std::size_t last_column = std::min(units, part.last_column);
  const Rows weight{w.data(), units, 0, part.last_input};
  const auto blocks = left_operands(bytes.rows(), depth);
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const std::size_t r = i * kBlock;
    take_rows(bytes.slice(r, std::min(kBlock, bytes.rows() - r)), part.first_input, part.last_input,
              blocks[i]);
  }
  if (blocks.empty()) return;
  const std::span<Bfloat16> panels = right_operands(2, depth);
  const auto panel = [&](std::size_t column) {
    const std::size_t turn = (column - part.first_column) / kBlock % 2;
    return panels.data() + turn * panels.size() / 2;
  };
  // Of the 16 of each step, as all blocks pass it.
  const std::size_t pairs_a_step = (kSide + blocks.size() - 1) / blocks.size();
  const auto packer_of = [&](std::size_t column) {
    return column < last_column ? PanelPacker(weight, part.first_input, column, last_column,
                                              panel(column), pairs_a_step)
                                : PanelPacker();
  };
  Tiles tiles;
  PanelPacker next = packer_of(part.first_column);
  for (std::size_t j = part.first_column; j < last_column; j += kBlock) {
    next.finish();
    next = packer_of(j + kBlock);
    for (std::size_t i = 0; i < blocks.size(); ++i)
      tiles.multiply_block(blocks[i], last_column - j, panel(j), 2 * kColumnTiles,
                           products.data() + i * kBlock * columns + j, columns, next);
  }
}

void byte_gemm_transposed(TensorView<const std::uint8_t> bytes, float scale,
                          const Bfloat16* packed_dy, std::size_t first, TensorView<float> dw) {
  const std::size_t units = dw.shape()[1];
  const std::size_t stride = tiles_over(units) * kColumnTiles;
  alignas(kAlignment) float block[kBlock][kBlock];
  Tiles tiles;
  PanelPacker nothing;
  std::size_t rows = 0;
  for (std::size_t group = 0; group < dw.rows(); group += rows) {
    const std::size_t left = dw.rows() - group;
    rows = left < kBlock ? left : std::min(kGroup, left / kBlock * kBlock);  // blocks of one height
    const auto blocks = left_operands(rows, bytes.rows());
    for (std::size_t i = 0; i < blocks.size(); ++i)
      take_columns(bytes, first + group + i * kBlock,
                   first + group + std::min(rows, (i + 1) * kBlock), blocks[i]);
    for (std::size_t j = 0; j < units; j += kBlock)
      for (std::size_t i = 0; i < blocks.size(); ++i) {
        const std::size_t columns = std::min(kBlock, units - j);
        tiles.multiply_block(blocks[i], columns, packed_dy + j / kSide * kColumnTiles, stride,
                             block[0], kBlock, nothing);
        write_scaled(block, blocks[i].rows, columns, scale,
                     dw.data() + (group + i * kBlock) * units + j, units);
      }
  }
}

void reserve(std::size_t inputs, std::size_t rows) {
  left_operands(rows, inputs);
  left_operands(kGroup, rows);
  right_operands(2, inputs);
}

}  // namespace gradatim::kernels::amx::unit

#else

namespace gradatim::kernels::amx::unit {

bool is_there() { return false; }
std::size_t packed_size(std::size_t, std::size_t) { return 0; }
void pack(ConstTensorView, std::size_t, std::size_t, Bfloat16*) {}
void byte_products(TensorView<const std::uint8_t>, const Part&, ConstTensorView,
                   TensorView<float>) {}
void byte_gemm_transposed(TensorView<const std::uint8_t>, float, const Bfloat16*, std::size_t,
                          TensorView<float>) {}
void reserve(std::size_t, std::size_t) {}

}  // namespace gradatim::kernels::amx::unit

#endif
