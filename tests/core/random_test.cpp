#include "gradatim/core/random.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "gradatim/core/error.hpp"

namespace gradatim {
namespace {

// Random123's published known-answer tests (kat_vectors, philox4x32 with 10 rounds).
TEST(Philox, KnownAnswers) {
  using Words = std::array<std::uint32_t, 4>;
  EXPECT_EQ(philox({}, 0), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox({.seed = ~0ULL, .stream = ~0U, .step = ~0ULL}, ~0U),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox({.seed = 0x299f31d0a4093822, .stream = 0x85a308d3, .step = 0x0370734413198a2e},
                   0x243f6a88),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

// Quantiles to 16 digits, from tables of the normal distribution and mpmath.
TEST(InverseNormal, KnownQuantiles) {
  const auto expect_close = [](double p, double z) {
    EXPECT_NEAR(inverse_normal(p), z, 4e-15 * std::abs(z)) << p;
  };
  EXPECT_EQ(inverse_normal(0.5), 0.0);
  expect_close(0.975, 1.959963984540054);
  expect_close(0.001, -3.090232306167813);
  expect_close(1e-9, -5.9978070150076865);
  expect_close(1e-20, -9.262340089798408);
}

// The distribution function, by std::erfc, inverts it: an independent reference at many points.
TEST(InverseNormal, InvertsTheDistributionFunction) {
  for (int i = 1; i < 2000; ++i) {
    const double p = i / 2000.0;
    const double z = inverse_normal(p);
    EXPECT_NEAR(0.5 * std::erfc(-z / std::sqrt(2.0)), p, 1e-15);
  }
}

TEST(FillNormal, MomentsAndIndependenceOfLength) {
  std::vector<float> x(200'001);
  fill_normal(x, {.seed = 7}, 3.0F, 2.0F);
  const double n = static_cast<double>(x.size());
  const double mean = std::accumulate(x.begin(), x.end(), 0.0) / n;
  double second = 0;
  double fourth = 0;
  for (const float v : x) {
    const double d = (v - mean) / 2;
    second += d * d / n;
    fourth += d * d * d * d / n;
  }
  EXPECT_NEAR(mean, 3.0, 5 * 2 / std::sqrt(n));
  EXPECT_NEAR(second, 1.0, 5 * std::sqrt(2 / n));
  EXPECT_NEAR(fourth, 3.0, 5 * std::sqrt(96 / n));

  std::vector<float> prefix(1'003);
  fill_normal(prefix, {.seed = 7}, 3.0F, 2.0F);
  EXPECT_TRUE(std::equal(prefix.begin(), prefix.end(), x.begin()));
}

// Bits pinned: the same on every machine and compiler, or the promise of P5 is broken.
TEST(FillNormal, PortableBits) {
  std::vector<float> x(5);
  fill_normal(x, {.seed = 1, .stream = 2, .step = 3}, 0.0F, 0.01F);
  std::uint64_t hash = 1469598103934665603ULL;
  for (const float v : x) {
    hash ^= std::bit_cast<std::uint32_t>(v);
    hash *= 1099511628211ULL;
  }
  EXPECT_EQ(hash, 7043628237044094635ULL);
}

TEST(FillUniform, StaysInRangeAndFillsIt) {
  std::vector<float> x(100'000);
  fill_uniform(x, {.seed = 3}, -2.0F, 2.0F);
  const auto [low, high] = std::minmax_element(x.begin(), x.end());
  EXPECT_GE(*low, -2.0F);
  EXPECT_LT(*high, 2.0F);
  EXPECT_LT(*low, -1.999F);
  EXPECT_GT(*high, 1.999F);
}

TEST(RandomKey, EveryFieldChangesTheNumbers) {
  std::set<std::uint32_t> first_words;
  for (const RandomKey& key :
       {RandomKey{}, RandomKey{.seed = 1}, RandomKey{.seed = 1ULL << 32}, RandomKey{.stream = 1},
        RandomKey{.step = 1}, RandomKey{.step = 1ULL << 32}})
    first_words.insert(philox(key, 0)[0]);
  EXPECT_EQ(first_words.size(), 6U);
}

// Chi-squared with 9 degrees of freedom: 33.7 is exceeded with probability 1e-4.
TEST(Choice, IsUniform) {
  std::vector<std::uint32_t> x(100'000);
  choice(x, 10, {.seed = 11});
  std::array<double, 10> counts{};
  for (const auto v : x) counts.at(v) += 1;
  double chi_squared = 0;
  for (const double c : counts) chi_squared += (c - 1e4) * (c - 1e4) / 1e4;
  EXPECT_LT(chi_squared, 33.7);
  EXPECT_GT(chi_squared, 0.5);
}

TEST(Choice, EmptyPopulationThrows) {
  std::vector<std::uint32_t> x(1);
  EXPECT_THROW(choice(x, 0, {}), InvalidArgument);
}

TEST(ChoiceWithoutReplacement, IsDistinctAndCompleteAtFullLength) {
  for (const std::uint32_t n : {1U, 2U, 3U, 7U, 100U, 1009U}) {
    std::vector<std::uint32_t> x(n);
    choice_without_replacement(x, n, {.seed = n});
    EXPECT_EQ(x, permutation(n, {.seed = n})) << "both are Fisher-Yates on the same words";
    std::sort(x.begin(), x.end());
    for (std::uint32_t i = 0; i < n; ++i) ASSERT_EQ(x[i], i);
  }
  std::vector<std::uint32_t> few(100);
  choice_without_replacement(few, 60'000, {});
  EXPECT_EQ(std::set<std::uint32_t>(few.begin(), few.end()).size(), 100U);
  EXPECT_THROW(choice_without_replacement(few, 99, {}), InvalidArgument);
}

TEST(Permutation, IntoASpanIsTheSame) {
  for (const std::uint32_t n : {0U, 1U, 2U, 101U}) {
    std::vector<std::uint32_t> order(n, 77);
    permutation(order, {.seed = 9, .step = n});
    EXPECT_EQ(order, permutation(n, {.seed = 9, .step = n}));
  }
}

// All 6 orders of 3 elements; 5 degrees of freedom, 25.7 has probability 1e-4.
TEST(Permutation, EveryOrderEquallyLikely) {
  std::array<double, 27> counts{};
  for (std::uint64_t step = 0; step < 60'000; ++step) {
    const auto p = permutation(3, {.seed = 5, .step = step});
    counts.at(p[0] * 9 + p[1] * 3 + p[2]) += 1;
  }
  double chi_squared = 0;
  int orders = 0;
  for (const double c : counts) {
    if (c == 0) continue;
    ++orders;
    chi_squared += (c - 1e4) * (c - 1e4) / 1e4;
  }
  EXPECT_EQ(orders, 6);
  EXPECT_LT(chi_squared, 25.7);
}

}  // namespace
}  // namespace gradatim
