#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace gradatim {

/// The number of insertions, deletions, substitutions and swaps of neighbours that turn a into b,
/// none of them inside another (optimal string alignment: Damerau, "A technique for computer
/// detection and correction of spelling errors", CACM 7, 1964). ASCII letters differ from their
/// other case by nothing. O(a.size()·b.size()).
std::size_t edit_distance(std::string_view a, std::string_view b);

/// The candidate that `given` was most likely meant to be, for an error's "did you mean"; the first
/// among equals; empty if there is no candidate. What was left out counts least and what is too
/// much most (a swap 1, an insertion 1, a substitution 2, a deletion 3, as git weighs them for its
/// commands), so that a beginning finds its name: "fasion" is fashion-mnist rather than mnist.
std::string_view nearest(std::string_view given, std::span<const std::string_view> candidates);

/// What an error adds of a name that there is not: "; did you mean 'mnist'?" where the nearest
/// candidate is near, otherwise "; expected one of a, b" (the first 32), and nothing where there is
/// no candidate. Near is what begins with the other (three letters or more), or what keeps two
/// thirds of the letters given and has edit_distance <= 3/5 of its size: "fasion" is near
/// fashion-mnist, and "lstm" not near softmax.
std::string did_you_mean(std::string_view given, std::span<const std::string_view> candidates);

}  // namespace gradatim
