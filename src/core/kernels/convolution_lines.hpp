#pragma once

#include <cstddef>

namespace gradatim::kernels {

/// Windows over an image with its channels last: the part of a window that lies in one line of the
/// image is one run of floats, and a convolution is a product of overlapping runs. In the formulae,
///           x(i, u, j, k) = x[i · row_step + u · line_step + j · pixel_step + k]
/// is value k of line u of the window of output (i, j).
struct WindowLines {
  std::size_t rows;        // lines of the output, i
  std::size_t pixels;      // windows along one, j
  std::size_t lines;       // of the image that a window covers, u
  std::size_t run;         // floats of a window in one line, k: size · channels
  std::size_t row_step;    // floats from the windows of one line of the output to the next
  std::size_t line_step;   // from one line of the image to the next
  std::size_t pixel_step;  // from one window to the next: stride · channels
  std::size_t filters;
};

/// y(i, j, f) = b(f) + sum over u, k, in order, of x(i, u, j, k) · w(u, k, f)
/// for y (rows, pixels, filters), b (filters) and w (lines, run, filters); filters is a multiple of
/// 16. Where x is zero all over what some neighbouring windows have of a line, that line of w may
/// be left out. Up to 16 floats from any line's windows on are read.
void convolve_lines(const WindowLines& windows, const float* x, const float* w, const float* b,
                    float* y);

/// dw(u, k, f) += sum over i, j of x(i, u, j, k) · dy(i, j, f); filters is a multiple of 16.
void add_lines_gradient(const WindowLines& windows, const float* x, const float* dy, float* dw);

/// What the outputs pass back: dx(i, u, j, k) += sum over f of dy(i, j, f) · w(u, f, k), one after
/// the other where windows overlap, for dy (rows, pixels, dy_step), of which the first `filters` of
/// a pixel are used, and w (lines, filters, run), its rows in whole vectors of 16 with zeros
/// behind.
void spread_lines(const WindowLines& windows, std::size_t dy_step, const float* dy, const float* w,
                  float* dx);

/// sums(f) += sum over i < rows of x(i, f), for a multiple of 16 columns.
void add_rows(std::size_t rows, std::size_t columns, const float* x, float* sums);

}  // namespace gradatim::kernels
