#pragma once

#include <cstddef>

namespace gradatim::kernels {

/// The windows of one line of an output: images have their channels last, so the part of a window
/// that lies in one line of the image is one run of floats, and a convolution is a product of
/// overlapping runs.
struct WindowLines {
  std::size_t pixels;      // windows along the output
  std::size_t lines;       // of the image that a window covers
  std::size_t run;         // floats of a window in one line: size · channels
  std::size_t line_step;   // floats from one line of the image to the next
  std::size_t pixel_step;  // from one window to the next: stride · channels
  std::size_t filters;     // a multiple of 16
};

/// y(j, f) = b(f) + sum over u < lines, k < run, in order, of
///           x[u · line_step + j · pixel_step + k] · w(u, k, f)
/// for y (pixels, filters), b (filters) and w (lines, run, filters).
void convolve_line(const WindowLines& windows, const float* x, const float* w, const float* b,
                   float* y);

/// The gradient of w from `rows` lines of the output, whose first lines of the image lie row_step
/// floats apart: dw(u, k, f) += sum over i < rows, j < pixels of
///           x[i · row_step + u · line_step + j · pixel_step + k] · dy(i, j, f)
struct OutputLines {
  std::size_t rows, row_step;
};
void add_lines_gradient(const WindowLines& windows, const OutputLines& outputs, const float* x,
                        const float* dy, float* dw);

/// What a line of the output passes back: for u < lines, j < pixels, k < run, j in order,
///           dx[u · line_step + j · pixel_step + k] += sum over f of dy(j, f) · w(u, f, k)
/// for dy (pixels, filters), its rows dy_step floats apart, and w (lines, filters, run), its rows
/// run in whole vectors of 16 apart with zeros behind.
struct SpreadLines {
  std::size_t pixels, lines, run;
  std::size_t line_step, pixel_step;  // as in WindowLines
  std::size_t filters, dy_step;
};
void spread_line(const SpreadLines& lines, const float* dy, const float* w, float* dx);

/// sums(f) += sum over i < rows of x(i, f), for a multiple of 16 columns.
void add_rows(std::size_t rows, std::size_t columns, const float* x, float* sums);

}  // namespace gradatim::kernels
