#include "gradatim/core/random.hpp"

#include <Random123/philox.h>
#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <numeric>
#include <unordered_map>
#include <utility>

#include "gradatim/core/error.hpp"

namespace gradatim {
namespace {

// Calls use(i, word) for i in [0, count), four words a Philox block.
template <class Use>
void for_each_word(std::size_t count, const RandomKey& key, Use use) {
  for (std::size_t i = 0; i < count; i += 4) {
    const auto words = philox(key, static_cast<std::uint32_t>(i / 4));
    for (std::size_t j = 0; j < 4 && i + j < count; ++j) use(i + j, words[j]);
  }
}

// Calls use(i, word) with 64-bit words, two a Philox block.
template <class Use>
void for_each_wide_word(std::size_t count, const RandomKey& key, Use use) {
  for (std::size_t i = 0; i < count; i += 2) {
    const auto w = philox(key, static_cast<std::uint32_t>(i / 2));
    use(i, (static_cast<std::uint64_t>(w[0]) << 32) | w[1]);
    if (i + 1 < count) use(i + 1, (static_cast<std::uint64_t>(w[2]) << 32) | w[3]);
  }
}

// floor(word·n / 2^64), exact: Lemire, "Fast random integer generation in an interval", 2019.
std::uint32_t scale_to(std::uint64_t word, std::uint32_t n) {
  const std::uint64_t low = (word & 0xFFFFFFFFU) * n;
  const std::uint64_t high = (word >> 32) * n;
  return static_cast<std::uint32_t>((high + (low >> 32)) >> 32);
}

// Natural logarithm of a normal x in (0, 1): 2·atanh(s) with x = m·2^e, m in [sqrt(1/2), sqrt(2)),
// s = (m-1)/(m+1). std::log differs in its last bit between C libraries; this does not.
double portable_log(double x) {
  int exponent = 0;
  double m = std::frexp(x, &exponent);
  if (m < 0.70710678118654752440) {
    m *= 2;
    --exponent;
  }
  const double s = (m - 1) / (m + 1);
  const double s2 = s * s;
  double sum = 0;
  for (int k = 27; k >= 1; k -= 2) sum = sum * s2 + 1.0 / k;
  return 2 * s * sum + exponent * 0.69314718055994530942;
}

double rational(double x, const std::array<double, 8>& a, const std::array<double, 7>& b) {
  double numerator = a[7];
  double denominator = b[6];
  for (std::size_t i = 7; i-- > 0;) numerator = numerator * x + a[i];
  for (std::size_t i = 6; i-- > 0;) denominator = denominator * x + b[i];
  return numerator / (denominator * x + 1.0);
}

}  // namespace

std::array<std::uint32_t, 4> philox(const RandomKey& key, std::uint32_t index) {
  const auto low = [](std::uint64_t x) { return static_cast<std::uint32_t>(x); };
  const auto high = [](std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); };
  const r123::Philox4x32::ctr_type counter{{index, key.stream, low(key.step), high(key.step)}};
  const r123::Philox4x32::key_type seed{{low(key.seed), high(key.seed)}};
  const auto words = r123::Philox4x32()(counter, seed);
  return {words[0], words[1], words[2], words[3]};
}

void fill_uniform(std::span<float> out, const RandomKey& key, float low, float high) {
  const float range = high - low;
  for_each_word(out.size(), key, [&](std::size_t i, std::uint32_t word) {
    out[i] = low + range * (static_cast<float>(word >> 8) * 0x1p-24F);
  });
}

double inverse_normal(double p) {
  static constexpr std::array<double, 8> kA{3.3871328727963666080e0, 1.3314166789178437745e2,
                                            1.9715909503065514427e3, 1.3731693765509461125e4,
                                            4.5921953931549871457e4, 6.7265770927008700853e4,
                                            3.3430575583588128105e4, 2.5090809287301226727e3};
  static constexpr std::array<double, 7> kB{4.2313330701600911252e1, 6.8718700749205790830e2,
                                            5.3941960214247511077e3, 2.1213794301586595867e4,
                                            3.9307895800092710610e4, 2.8729085735721942674e4,
                                            5.2264952788528545610e3};
  static constexpr std::array<double, 8> kC{1.42343711074968357734e0,  4.63033784615654529590e0,
                                            5.76949722146069140550e0,  3.64784832476320460504e0,
                                            1.27045825245236838258e0,  2.41780725177450611770e-1,
                                            2.27238449892691845833e-2, 7.74545014278341407640e-4};
  static constexpr std::array<double, 7> kD{2.05319162663775882187e0,  1.67638483018380384940e0,
                                            6.89767334985100004550e-1, 1.48103976427480074590e-1,
                                            1.51986665636164571966e-2, 5.47593808499534494600e-4,
                                            1.05075007164441684324e-9};
  static constexpr std::array<double, 8> kE{6.65790464350110377720e0,  5.46378491116411436990e0,
                                            1.78482653991729133580e0,  2.96560571828504891230e-1,
                                            2.65321895265761230930e-2, 1.24266094738807843860e-3,
                                            2.71155556874348757815e-5, 2.01033439929228813265e-7};
  static constexpr std::array<double, 7> kF{5.99832206555887937690e-1, 1.36929880922735805310e-1,
                                            1.48753612908506148525e-2, 7.86869131145613259100e-4,
                                            1.84631831751005468180e-5, 1.42151175831644588870e-7,
                                            2.04426310338993978564e-15};
  const double q = p - 0.5;
  if (std::abs(q) <= 0.425) return q * rational(0.180625 - q * q, kA, kB);
  const double r = std::sqrt(-portable_log(q < 0 ? p : 1 - p));
  const double z = r <= 5 ? rational(r - 1.6, kC, kD) : rational(r - 5, kE, kF);
  return q < 0 ? -z : z;
}

void fill_normal(std::span<float> out, const RandomKey& key, float mean, float standard_deviation) {
  for_each_word(out.size(), key, [&](std::size_t i, std::uint32_t word) {
    const double z = inverse_normal((word + 0.5) * 0x1p-32);
    out[i] = static_cast<float>(mean + standard_deviation * z);
  });
}

void choice(std::span<std::uint32_t> out, std::uint32_t population, const RandomKey& key) {
  if (population == 0 && !out.empty())
    throw InvalidArgument(fmt::format("choice: {} draws from an empty population", out.size()));
  for_each_wide_word(out.size(), key, [&](std::size_t i, std::uint64_t word) {
    out[i] = scale_to(word, population);
  });
}

void choice_without_replacement(std::span<std::uint32_t> out, std::uint32_t population,
                                const RandomKey& key) {
  if (out.size() > population)
    throw InvalidArgument(fmt::format(
        "choice without replacement: {} draws from a population of {}", out.size(), population));
  // Fisher-Yates on a virtual array 0..population-1: only the displaced entries are stored.
  std::unordered_map<std::uint32_t, std::uint32_t> displaced;
  const auto at = [&](std::uint32_t i) {
    const auto found = displaced.find(i);
    return found == displaced.end() ? i : found->second;
  };
  for_each_wide_word(out.size(), key, [&](std::size_t i, std::uint64_t word) {
    const auto first = static_cast<std::uint32_t>(i);
    const std::uint32_t pick = first + scale_to(word, population - first);
    out[i] = at(pick);
    displaced[pick] = at(first);
  });
}

void permutation(std::span<std::uint32_t> out, const RandomKey& key) {
  if (out.size() > UINT32_MAX)
    throw InvalidArgument(
        fmt::format("permutation: expected at most {} elements, got {}", UINT32_MAX, out.size()));
  std::iota(out.begin(), out.end(), 0U);
  for_each_wide_word(out.size(), key, [&](std::size_t i, std::uint64_t word) {
    const auto left = static_cast<std::uint32_t>(out.size() - i);
    std::swap(out[i], out[i + scale_to(word, left)]);
  });
}

std::vector<std::uint32_t> permutation(std::uint32_t n, const RandomKey& key) {
  std::vector<std::uint32_t> order(n);
  permutation(order, key);
  return order;
}

}  // namespace gradatim
