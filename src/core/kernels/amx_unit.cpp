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

constexpr std::size_t kGroup = 4 * kBlock;  // rows of dw that pass each panel of dy together
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

// The sums of a block of rows by the columns of a panel, digit by digit.
constexpr std::size_t kMostSums = kGradientDigits * kPanel;
struct alignas(kAlignment) Sums {
  std::int32_t of_row[kBlock][kMostSums];
};

// sums[0, a.rows)[column, column + 16 or 32) = a b, where rows of b lie b_stride bytes apart; at
// each step `beside` has its turn. Names of tiles must be digits.
template <bool kTwoRows, bool kTwoColumns, class Beside>
GRADATIM_AMX void multiply(const LeftOperand& a, const std::int8_t* b, std::size_t b_stride,
                           std::size_t column, Sums& sums, Beside& beside) {
  const auto right_stride = static_cast<long>(b_stride);
  std::atomic_signal_fence(std::memory_order_seq_cst);  // as above
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (std::size_t i = 0; i < a.count; ++i) {
    const std::uint8_t* left = a.tiles + i * 2 * kTile;
    const std::int8_t* right = b + a.steps[i] * kQuads * b_stride + kQuad * column;
    _tile_loadd(4, left, kTileStride);
    _tile_loadd(6, right, right_stride);
    _tile_dpbusd(0, 4, 6);
    if constexpr (kTwoRows) _tile_loadd(5, left + kTile, kTileStride);
    if constexpr (kTwoRows) _tile_dpbusd(2, 5, 6);
    if constexpr (kTwoColumns) _tile_loadd(7, right + kDepth, right_stride);
    if constexpr (kTwoColumns) _tile_dpbusd(1, 4, 7);
    if constexpr (kTwoRows && kTwoColumns) _tile_dpbusd(3, 5, 7);
    beside.advance();
  }
  constexpr long kSumsStride = kMostSums * sizeof(std::int32_t);
  std::int32_t* const upper = sums.of_row[0] + column;
  std::int32_t* const lower = sums.of_row[kSide] + column;
  _tile_stored(0, upper, kSumsStride);
  if constexpr (kTwoColumns) _tile_stored(1, upper + kSide, kSumsStride);
  if constexpr (kTwoRows) _tile_stored(2, lower, kSumsStride);
  if constexpr (kTwoRows && kTwoColumns) _tile_stored(3, lower + kSide, kSumsStride);
}

// For nothing beside the unit.
struct Idle {
  void advance() const {}
};

// The tiles of the calling thread, until the end of the scope. To set their rows takes as long as
// twenty of the unit's instructions: only where they change.
class Tiles {
 public:
  Tiles() = default;
  Tiles(const Tiles&) = delete;
  Tiles& operator=(const Tiles&) = delete;
  GRADATIM_AMX ~Tiles() { _tile_release(); }

  // sums = a · the digits of a panel, so many sums a row.
  template <class Beside>
  void multiply_panel(const LeftOperand& a, const std::int8_t* digits, std::size_t count,
                      Sums& sums, Beside& beside) {
    if (a.rows != rows_) set_tile_rows(a.rows);
    rows_ = a.rows;
    for (std::size_t j = 0; j < count; j += 2 * kSide) {
      const bool two_columns = count - j > kSide;
      if (a.rows > kSide)
        two_columns ? multiply<true, true>(a, digits, kQuad * count, j, sums, beside)
                    : multiply<true, false>(a, digits, kQuad * count, j, sums, beside);
      else
        two_columns ? multiply<false, true>(a, digits, kQuad * count, j, sums, beside)
                    : multiply<false, false>(a, digits, kQuad * count, j, sums, beside);
    }
  }

 private:
  std::size_t rows_ = 0;  // of a block, that they are set to
};

// Room for as many blocks of 32 rows.
std::span<LeftOperand> left_operands(std::size_t rows, std::size_t depth) {
  const std::size_t blocks = pieces(rows, kBlock);
  const std::size_t steps = steps_over(depth);
  const auto operands = scratch<Use::blocks, LeftOperand>(blocks);
  const auto tiles = scratch<Use::tiles, std::uint8_t>(blocks * steps * 2 * kTile);
  const auto numbers = scratch<Use::steps, std::uint32_t>(blocks * steps);
  for (std::size_t i = 0; i < blocks; ++i)
    operands[i] = {tiles.data() + i * steps * 2 * kTile, numbers.data() + i * steps};
  return operands;
}

// Room for so many panels.
std::span<std::int8_t> right_operands(std::size_t count, std::size_t depth) {
  return scratch<Use::weight, std::int8_t>(count * panel_size(depth, kWeightDigits));
}

// Where the sums of a block belong, as floats, scale times what they are of each column's quantum.
struct Destination {
  std::size_t rows = 0;
  std::size_t columns = 0;
  float scale = 1;
  const float* quanta = nullptr;
  float* to = nullptr;
  std::size_t stride = 0;
};

// What the digits' sums add up to.
template <std::size_t kDigits>
GRADATIM_AMX void write_sums(const Sums& sums, const Destination& d) {
  constexpr float kPlace = 256;  // of a digit, by the next lower one's
  const __mmask16 inside = first_lanes(d.columns);
  const __m512 scale = _mm512_set1_ps(d.scale);
  const __m512 quanta = _mm512_maskz_loadu_ps(inside, d.quanta);
  for (std::size_t r = 0; r < d.rows; ++r) {
    const std::int32_t* digit = sums.of_row[r];
    // The smallest first: only the last sum rounds by the last place of the whole.
    __m512 sum = _mm512_cvtepi32_ps(_mm512_loadu_si512(digit));
    float place = 1;
    for (std::size_t i = 1; i < kDigits; ++i) {
      digit += d.columns;
      place *= kPlace;
      sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_loadu_si512(digit)), _mm512_set1_ps(place),
                            sum);
    }
    _mm512_mask_storeu_ps(d.to + r * d.stride, inside,
                          _mm512_mul_ps(_mm512_mul_ps(sum, scale), quanta));
  }
}

// The panels of a part of w, one after the other; each is packed while the one before is
// multiplied by blocks of so many steps, in the first of their two passes.
class WeightPanels {
 public:
  WeightPanels(ConstTensorView w, const Part& part, std::size_t steps)
      : w_(w.slice(part.first_input, part.last_input - part.first_input)),
        first_column_(part.first_column),
        last_column_(std::min(w.shape()[1], part.last_column)),
        steps_(std::max<std::size_t>(1, steps)),
        quanta_(scratch<Use::quanta>(last_column_ - std::min(last_column_, first_column_))),
        digits_(right_operands(2, w_.rows())) {
    find_quanta<kWeightDigits, 4>(w_, first_column_, quanta_);
    next_ = packer_of(0);
  }

  std::size_t count() const { return panels_over(quanta_.size()); }
  std::size_t column(std::size_t panel) const { return first_column_ + panel * kPanel; }
  std::size_t columns(std::size_t panel) const {
    return std::min(kPanel, last_column_ - column(panel));
  }
  const float* quanta(std::size_t panel) const { return quanta_.data() + panel * kPanel; }
  std::int8_t* digits(std::size_t panel) const {
    return digits_.data() + panel % 2 * digits_.size() / 2;
  }
  // Ends the packing of this panel, and begins that of the next one, which is returned.
  PanelPacker<kWeightDigits>& turn_to(std::size_t panel) {
    next_.finish();
    next_ = packer_of(panel + 1);
    return next_;
  }

 private:
  PanelPacker<kWeightDigits> packer_of(std::size_t panel) const {
    if (panel == count()) return {};
    return {{w_.data() + column(panel), w_.shape()[1], w_.rows(), columns(panel)},
            quanta(panel),
            digits(panel),
            steps_};
  }

  ConstTensorView w_;
  std::size_t first_column_, last_column_;
  std::size_t steps_;
  std::span<float> quanta_;
  std::span<std::int8_t> digits_;
  PanelPacker<kWeightDigits> next_;
};

bool processor_has_unit() {
  constexpr unsigned kTiles = 1U << 24U;
  constexpr unsigned kInt8 = 1U << 25U;
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d & kInt8) != 0 && (d & kTiles) != 0;
}

}  // namespace

// Linux keeps the tiles of a process only where it has asked for them.
bool is_there() {
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long kTileData = 18;               // XFEATURE_XTILEDATA
  return processor_has_unit() && syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

std::size_t packed_size(std::size_t rows, std::size_t columns) {
  return panels_over(columns) * panel_size(rows, kGradientDigits);
}

void pack(ConstTensorView x, std::size_t panel, Packed& to) {
  const std::size_t column = panel * kPanel;
  const std::size_t columns = std::min(kPanel, to.columns - column);
  const auto quanta = std::span(to.quanta).subspan(column, columns);
  find_quanta<kGradientDigits, 1>(x, column, quanta);
  to.packed_rows[panel] = x.rows();
  PanelPacker<kGradientDigits>({x.data() + column, to.columns, x.rows(), columns}, quanta.data(),
                               to.digits.data() + panel * panel_size(to.most_rows, kGradientDigits),
                               1)
      .finish();
}

// A panel of w at a time is packed, and stays in the cache for all rows.
void byte_products(TensorView<const std::uint8_t> bytes, const Part& part, ConstTensorView w,
                   TensorView<float> products) {
  const std::size_t stride = products.shape()[1];
  const auto blocks = left_operands(bytes.rows(), part.last_input - part.first_input);
  std::size_t steps = 0;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const std::size_t r = i * kBlock;
    take_rows(bytes.slice(r, std::min(kBlock, bytes.rows() - r)), part.first_input, part.last_input,
              blocks[i]);
    steps += blocks[i].count;
  }
  if (blocks.empty()) return;
  WeightPanels panels(w, part, steps);
  Sums sums;  // NOLINT(cppcoreguidelines-pro-type-member-init): written before it is read
  Tiles tiles;
  for (std::size_t panel = 0; panel < panels.count(); ++panel) {
    PanelPacker<kWeightDigits>& next = panels.turn_to(panel);
    const std::size_t columns = panels.columns(panel);
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      tiles.multiply_panel(blocks[i], panels.digits(panel), sums_over(columns, kWeightDigits), sums,
                           next);
      write_sums<kWeightDigits>(sums,
                                {.rows = blocks[i].rows,
                                 .columns = columns,
                                 .quanta = panels.quanta(panel),
                                 .to = products.data() + i * kBlock * stride + panels.column(panel),
                                 .stride = stride});
    }
  }
}

void byte_gemm_transposed(TensorView<const std::uint8_t> bytes, float scale, const Packed& dy,
                          std::size_t first, TensorView<float> dw) {
  const std::size_t units = dw.shape()[1];
  Sums sums;  // NOLINT(cppcoreguidelines-pro-type-member-init): written before it is read
  Tiles tiles;
  const Idle idle;
  std::size_t rows = 0;
  for (std::size_t group = 0; group < dw.rows(); group += rows) {
    const std::size_t left = dw.rows() - group;
    rows = left < kBlock ? left : std::min(kGroup, left / kBlock * kBlock);  // blocks of one height
    const auto blocks = left_operands(rows, bytes.rows());
    for (std::size_t i = 0; i < blocks.size(); ++i)
      take_columns(bytes, first + group + i * kBlock,
                   first + group + std::min(rows, (i + 1) * kBlock), blocks[i]);
    const std::int8_t* digits = dy.digits.data();
    for (std::size_t j = 0; j < units;
         j += kPanel, digits += panel_size(dy.most_rows, kGradientDigits))
      for (std::size_t i = 0; i < blocks.size(); ++i) {
        const std::size_t columns = std::min(kPanel, units - j);
        tiles.multiply_panel(blocks[i], digits, sums_over(columns, kGradientDigits), sums, idle);
        write_sums<kGradientDigits>(sums, {.rows = blocks[i].rows,
                                           .columns = columns,
                                           .scale = scale,
                                           .quanta = dy.quanta.data() + j,
                                           .to = dw.data() + (group + i * kBlock) * units + j,
                                           .stride = units});
      }
  }
}

void reserve(const Part& part, std::size_t rows) {
  const std::size_t inputs = part.last_input - part.first_input;
  left_operands(rows, inputs);
  left_operands(kGroup, rows);
  right_operands(2, inputs);
  scratch<Use::quanta>(part.last_column - part.first_column);
}

}  // namespace gradatim::kernels::amx::unit

#else

namespace gradatim::kernels::amx::unit {

bool is_there() { return false; }
std::size_t packed_size(std::size_t, std::size_t) { return 0; }
void pack(ConstTensorView, std::size_t, Packed&) {}
void byte_products(TensorView<const std::uint8_t>, const Part&, ConstTensorView,
                   TensorView<float>) {}
void byte_gemm_transposed(TensorView<const std::uint8_t>, float, const Packed&, std::size_t,
                          TensorView<float>) {}
void reserve(const Part&, std::size_t) {}

}  // namespace gradatim::kernels::amx::unit

#endif
