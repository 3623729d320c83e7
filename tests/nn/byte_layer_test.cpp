// Training on bytes, each way that their products go: by the matrix unit, where there is one,
// skipping zeros, and as floats.
#include "nn/byte_layer.hpp"

#include <gtest/gtest.h>
#include <hwy/highway.h>
#include <hwy/targets.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "gradatim/core/random.hpp"
#include "gradatim/nn/program.hpp"
#include "support/numbers.hpp"

namespace gradatim {
namespace {

using test::uniform_tensor;

// As on a processor without AVX-512, and so without its matrix unit.
class OlderProcessor {
 public:
  OlderProcessor() { use(hwy::SupportedTargets() & ~(HWY_AVX2 - 1)); }
  ~OlderProcessor() { use(0); }
  OlderProcessor(const OlderProcessor&) = delete;
  OlderProcessor& operator=(const OlderProcessor&) = delete;

 private:
  static void use(std::int64_t targets) {
    hwy::SetSupportedTargetsForTest(targets);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
};

constexpr float kScale = 1.0F / 200;  // no training's

struct Case {
  std::size_t rows, inputs, units;
  double zeros;
};

struct BytesAndFloats {
  ByteTensor bytes;
  Tensor floats;
  std::vector<std::int32_t> labels;
};

BytesAndFloats samples_of(const Case& c) {
  BytesAndFloats made{ByteTensor({c.rows, c.inputs}), Tensor({c.rows, c.inputs}),
                      std::vector<std::int32_t>(c.rows)};
  std::vector<float> u(2 * made.bytes.size());
  fill_uniform(u, {.seed = c.rows});
  for (std::size_t i = 0; i < made.bytes.size(); ++i)
    if (u[2 * i] >= c.zeros)
      made.bytes.values()[i] = static_cast<std::uint8_t>(1 + 254 * u[2 * i + 1]);
  kernels::bytes_to_float(made.bytes.values(), kScale, made.floats.values());
  for (std::size_t i = 0; i < c.rows; ++i) made.labels[i] = static_cast<std::int32_t>(i * i % 7);
  return made;
}

Network network_of(const Case& c) {
  return {{c.inputs}, {Dense{c.units, Gaussian{0.1F}}, Sigmoid{}, Dense{7, Gaussian{0.3F}}}};
}

struct LossAndGradientOf {
  double loss;
  std::vector<float> gradient;
};

Batch batch_of(const BytesAndFloats& samples, bool as_bytes, std::size_t rows) {
  Batch batch{.inputs = samples.floats.view().slice(0, rows),
              .targets = {.labels = std::span(samples.labels).first(rows)}};
  if (as_bytes) batch.inputs = ByteInputs{samples.bytes.view().slice(0, rows), kScale};
  return batch;
}

LossAndGradientOf gradient_by(Program& program, const Case& c, const Batch& batch, TaskPool& pool) {
  const Parameters parameters = initialize(network_of(c), 1);
  LossAndGradientOf result{0, std::vector<float>(program.layout().size)};
  result.loss = program.gradient(parameters.theta(), batch, result.gradient, pool);
  EXPECT_EQ(program.loss(parameters.theta(), batch, pool), result.loss);
  return result;
}

LossAndGradientOf gradient_of(const Case& c, bool as_bytes, std::size_t threads) {
  const BytesAndFloats samples = samples_of(c);
  TaskPool pool(threads);
  Program program(network_of(c), SoftmaxCrossEntropy{}, c.rows);
  return gradient_by(program, c, batch_of(samples, as_bytes, c.rows), pool);
}

// Each tensor to within a few units in the last place of its largest entry.
void expect_gradients_of_floats(const Case& c) {
  const auto bytes = gradient_of(c, true, 1);
  const auto floats = gradient_of(c, false, 1);
  EXPECT_NEAR(bytes.loss, floats.loss, 1e-6);
  for (const ParameterTensor& tensor : parameter_layout(network_of(c)).tensors) {
    const std::size_t size = tensor.shape.size();
    const auto expected = std::span(floats.gradient).subspan(tensor.offset, size);
    const auto got = std::span(bytes.gradient).subspan(tensor.offset, size);
    const float largest = std::abs(
        *std::ranges::max_element(expected, {}, [](float value) { return std::abs(value); }));
    for (std::size_t i = 0; i < size; ++i)
      ASSERT_NEAR(got[i], expected[i], 1e-6 * largest) << tensor.name << " " << i;
  }
}

class ByteLayerOf : public testing::TestWithParam<Case> {};

TEST_P(ByteLayerOf, GivesTheGradientOfFloats) {
  expect_gradients_of_floats(GetParam());
  const OlderProcessor older;
  ASSERT_FALSE(kernels::amx::available());
  expect_gradients_of_floats(GetParam());
}

TEST_P(ByteLayerOf, ChangesNoBitWithThreads) {
  const auto expect_equal_bits = [] {
    const auto alone = gradient_of(GetParam(), true, 1);
    for (const std::size_t threads : {2U, 3U, 7U}) {
      const auto together = gradient_of(GetParam(), true, threads);
      EXPECT_EQ(together.gradient, alone.gradient) << threads << " threads";
      EXPECT_EQ(together.loss, alone.loss) << threads << " threads";
    }
  };
  expect_equal_bits();
  const OlderProcessor older;
  expect_equal_bits();
}

INSTANTIATE_TEST_SUITE_P(Cases, ByteLayerOf,
                         testing::Values(Case{100, 130, 50, 0.0}, Case{100, 130, 50, 0.5},
                                         Case{100, 130, 50, 0.9}, Case{100, 130, 300, 0.0},
                                         Case{100, 130, 300, 0.9}, Case{97, 784, 65, 0.3},
                                         Case{47, 100, 50, 0.5}, Case{5, 200, 50, 0.5}));

// Of the hidden units, in all rows.
void leave_large_gradients(Program& program, Case c, TaskPool& pool) {
  c.rows = 100;
  Parameters parameters = initialize(network_of(c), 1);
  const std::size_t first = (c.inputs + 1) * c.units;
  for (float& each : parameters.theta().subspan(first)) each *= 100;
  std::vector<float> gradient(program.layout().size);
  program.gradient(parameters.theta(), batch_of(samples_of(c), true, c.rows), gradient, pool);
}

// Whatever batch was before: one that goes another way, or has more rows.
TEST(ByteLayer, KeepsNothingOfTheBatchBefore) {
  constexpr std::size_t kRows = 100;
  const std::vector<Case> cases = {{100, 200, 50, 0.4}, {100, 200, 50, 0.9}, {15, 200, 50, 0.1},
                                   {100, 200, 50, 0.2}, {41, 200, 50, 0.5},  {100, 200, 50, 0.9},
                                   {5, 200, 50, 0.5},   {17, 200, 50, 0.3}};
  for (const std::size_t units : {50U, 300U})
    for (const std::size_t threads : {1U, 3U}) {
      TaskPool pool(threads);
      const auto fresh = [&](const Case& c) {
        return Program(network_of(c), SoftmaxCrossEntropy{}, kRows);
      };
      Program used = fresh({kRows, 200, units, 0});
      for (Case c : cases) {
        c.units = units;
        const BytesAndFloats samples = samples_of(c);
        const Batch batch = batch_of(samples, true, c.rows);
        Program unused = fresh(c);
        const auto expected = gradient_by(unused, c, batch, pool);
        leave_large_gradients(used, c, pool);
        const auto got = gradient_by(used, c, batch, pool);
        EXPECT_EQ(got.loss, expected.loss) << c.rows << " rows, zeros " << c.zeros;
        EXPECT_EQ(got.gradient, expected.gradient) << c.rows << " rows, zeros " << c.zeros;
      }
    }
}

// Where bytes count as floats, the gradient has the very bits of floats: so each way is seen to be
// taken where it is meant to be.
TEST(ByteLayer, GoesTheWayThatPays) {
  const auto is_as_of_floats = [](const Case& c) {
    return gradient_of(c, true, 1).gradient == gradient_of(c, false, 1).gradient;
  };
  const bool has_unit = kernels::amx::available();
  EXPECT_EQ(is_as_of_floats({100, 784, 300, 0.4}), !has_unit);
  EXPECT_FALSE(is_as_of_floats({100, 784, 50, 0.8}));
  EXPECT_TRUE(is_as_of_floats({31, 784, 300, 0.1})) << "a few rows";
  EXPECT_TRUE(is_as_of_floats({100, 100, 300, 0.1})) << "a few inputs";
}

// The bits of the layer's output are those of the kernels that skip zeros.
bool skips_zeros(const Case& c) {
  const BytesAndFloats samples = samples_of(c);
  const DenseOperation dense(Dense{c.units}, c.inputs);
  const Parameters parameters = initialize(network_of(c), 1);
  const auto theta = parameters.theta().first(c.inputs * c.units + c.units);
  ByteLayer layer(dense, c.rows, 4);
  EXPECT_TRUE(layer.bind(samples.bytes.view(), kScale));
  TaskPool pool(1);
  layer.multiply(theta, 4, pool);
  Tensor y({c.rows, c.units});
  layer.forward(theta, {0, c.rows}, y);
  Tensor packed(dense.packed_weight());
  dense.pack_weight(theta, packed);
  Tensor skipped({c.rows, c.units});
  dense.forward_bytes(theta, samples.bytes.view(), kScale, packed, skipped);
  return y == skipped;
}

// Sums of more terms than the unit has room for go another way.
TEST(ByteLayer, TakesAsManyRowsAsThereAre) {
  const Case c{kernels::amx::kMostTerms + 1, 128, 3, 0.1};
  EXPECT_TRUE(std::isfinite(gradient_of(c, true, 1).loss));
}

TEST(ByteLayer, SkipsZerosWhereNearlyAllAre) {
  EXPECT_TRUE(skips_zeros({100, 784, 50, 0.9}));
  EXPECT_TRUE(skips_zeros({31, 784, 50, 0.1}));
  EXPECT_TRUE(skips_zeros({32, 784, 50, 0.75}));
  EXPECT_EQ(skips_zeros({100, 784, 50, 0.8}), !kernels::amx::available());
  EXPECT_EQ(skips_zeros({32, 784, 50, 0.6}), !kernels::amx::available());
}

}  // namespace
}  // namespace gradatim
