#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace gradatim {

enum class LineStyle {
  line,
  thin,              // a pale hairline, for noise that a bolder line sums up
  line_with_points,  // for few points
  points,
};

struct Series {
  std::string label{};  // in the legend; none if empty
  std::vector<double> x{};
  std::vector<double> y{};  // as many as x; a NaN interrupts the line
  LineStyle style = LineStyle::line;
  int color = 0;  // of a palette that colour-blind readers can tell apart; taken modulo its size
};

/// From (x, y) to (x + dx, y + dy).
struct Arrow {
  double x = 0;
  double y = 0;
  double dx = 0;
  double dy = 0;
};

enum class Legend {
  top_right,
  bottom_right,  // for curves that rise
  outside,       // at the right: for points that may lie anywhere
  below,         // under the axes: for long labels
};

/// One pair of axes.
struct Panel {
  std::string title{};
  std::string x_label{};
  std::string y_label{};
  bool logarithmic_x = false;
  bool logarithmic_y = false;
  Legend legend = Legend::top_right;
  bool equal_units = false;  // a circle is round
  std::optional<std::pair<double, double>> x_range{};
  std::optional<std::pair<double, double>> y_range{};
  std::vector<std::string> x_names{};  // of x = 0, 1, ...: in place of numbers
  std::vector<Series> series{};
  std::vector<Arrow> arrows{};
};

/// Panels side by side under one title.
struct Plot {
  std::string title{};
  std::vector<Panel> panels{};
};

/// Whether a file's extension is one that draw() knows.
bool can_draw(const std::filesystem::path& file);

/// Draws the plot into each file, as its extension says (.svg or .png), by gnuplot, which is run
/// without a shell and reads no settings of the user's. Files appear whole or not at all.
/// Throws InvalidArgument if a series has unequal numbers of x and y or an extension is unknown;
/// DataError if gnuplot is missing or fails, or a file can't be written.
void draw(const Plot& plot, std::span<const std::filesystem::path> files,
          const std::filesystem::path& gnuplot = "gnuplot");

/// "5.4 patchlevel 4", or nothing if it can't be run.
std::string gnuplot_version(const std::filesystem::path& gnuplot = "gnuplot");

}  // namespace gradatim
