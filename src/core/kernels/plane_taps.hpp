#pragma once

#include <cstddef>
#include <span>

namespace gradatim::kernels {

/// Values of a plane read at a grid of places beside each other: tap (u, v) of value t is
/// x[t + u · line_step + v · step], and its weight is w[u · w_line_step + v · w_step].
struct Taps {
  std::size_t lines, columns;
  std::ptrdiff_t line_step, step;
  std::size_t w_line_step, w_step;
};

/// y[t] += sum over u, v, in order, of weight(u, v) · tap(u, v, t), for t < count, a multiple
/// of 16.
void add_taps(const Taps& taps, const float* w, const float* x, std::size_t count, float* y);

/// dw(u, v) += sum over t < count, a multiple of 16, of dy[t] · tap(u, v, t), where weight(u, v)
/// lies.
void add_taps_gradient(const Taps& taps, const float* x, const float* dy, std::size_t count,
                       float* dw);

/// to(i, j) = from(i, j) for i < lines, j < width; lines are `step` floats apart.
void copy_lines(std::size_t lines, std::size_t width, const float* from, std::size_t from_step,
                float* to, std::size_t to_step);

/// first[k] = line[2 k], second[k] = line[2 k + 1] for the values of a line, and the way back.
void split_line(std::span<const float> line, float* first, float* second);
void join_line(const float* first, const float* second, std::span<float> line);

}  // namespace gradatim::kernels
