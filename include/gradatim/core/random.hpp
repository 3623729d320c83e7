#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace gradatim {

/// Randomness is an argument (docs/principles.md, P5): the same key gives the same numbers,
/// whatever was drawn before, on any thread, processor and standard library.
///
/// The generator is Philox4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy
/// as 1, 2, 3", SC 2011, from Random123): the 64-bit key is the seed and the 128-bit counter is
/// (index, stream, step), so a key addresses 2^34 words.
struct RandomKey {
  std::uint64_t seed = 0;
  std::uint32_t stream = 0;  // what the numbers are for
  std::uint64_t step = 0;    // when they are drawn
};

/// Four independent uniform words.
std::array<std::uint32_t, 4> philox(const RandomKey& key, std::uint32_t index);

/// out[i] uniform in [low, high): low + (high - low)·k·2^-24 with k a 24-bit integer, rounded to
/// float; the rounding may reach high where |low| is large against high - low.
void fill_uniform(std::span<float> out, const RandomKey& key, float low = 0.0F, float high = 1.0F);

/// out[i] ~ N(mean, standard_deviation²) by inversion of the distribution function (Wichura,
/// "Algorithm AS 241", Applied Statistics 37, 1988) of a 32-bit uniform in (0, 1): relative error
/// of the deviate about 1e-15 before rounding to float; |z| at most 6.34. Uses only operations
/// that IEEE 754 rounds exactly, so it is the same everywhere.
void fill_normal(std::span<float> out, const RandomKey& key, float mean = 0.0F,
                 float standard_deviation = 1.0F);

/// The inverse of the standard normal distribution function, for p in (0, 1).
double inverse_normal(double p);

/// out[i] uniform in [0, population), with replacement; the bias is below population·2^-64.
/// Throws InvalidArgument if population is 0 and out is not empty.
void choice(std::span<std::uint32_t> out, std::uint32_t population, const RandomKey& key);

/// out: distinct values of [0, population), every ordered selection equally likely. O(out.size())
/// time and memory. Throws InvalidArgument if out.size() > population.
void choice_without_replacement(std::span<std::uint32_t> out, std::uint32_t population,
                                const RandomKey& key);

/// 0, ..., n-1 in uniformly random order (Fisher-Yates).
std::vector<std::uint32_t> permutation(std::uint32_t n, const RandomKey& key);

/// The same into memory that the caller owns: out.size() is n. Throws InvalidArgument if that is
/// 2^32 or more.
void permutation(std::span<std::uint32_t> out, const RandomKey& key);

}  // namespace gradatim
