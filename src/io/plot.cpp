#include "gradatim/io/plot.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>

#include "gradatim/core/error.hpp"
#include "gradatim/io/file.hpp"
#include "io/process.hpp"

namespace gradatim {
namespace {

// Wong, "Color blindness", Nature Methods 8, 2011, without its black and yellow.
constexpr std::array<std::string_view, 6> kPalette{"#0072b2", "#d55e00", "#009e73",
                                                   "#cc79a7", "#56b4e9", "#e69f00"};
constexpr std::size_t kPanelWidth = 640;
constexpr std::size_t kPanelHeight = 420;

using Script = std::string;

template <class... Arguments>
void line(Script& script, fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  fmt::format_to(std::back_inserter(script), format, std::forward<Arguments>(arguments)...);
  script += '\n';
}

// Between single quotes gnuplot interprets nothing; its scanner stumbles over some doubled quotes,
// so that a quote within becomes the typographic one.
std::string literal(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'')
      quoted += "\u2019";
    else
      quoted += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
  }
  return quoted + "'";
}

void append_terminal(Script& script, const std::filesystem::path& file, std::size_t panels) {
  const std::size_t width = kPanelWidth * panels;
  if (file.extension() == ".svg") {
    line(script, "set terminal svg noenhanced size {},{} font 'sans,13' background '#ffffff'",
         width, kPanelHeight);
  } else if (file.extension() == ".png") {
    line(script, "set terminal pngcairo noenhanced size {},{} font 'sans,11' background '#ffffff'",
         width, kPanelHeight);
  } else {
    throw InvalidArgument(
        fmt::format("plot {}: expected the extension .svg or .png", file.string()));
  }
}

void append_data(Script& script, std::string_view name, const Series& series) {
  if (series.x.size() != series.y.size())
    throw InvalidArgument(fmt::format("plot series '{}': {} values of x, {} of y", series.label,
                                      series.x.size(), series.y.size()));
  line(script, "{} << END", name);
  for (std::size_t i = 0; i < series.x.size(); ++i) {
    if (std::isfinite(series.x[i]) && std::isfinite(series.y[i]))
      line(script, "{} {}", series.x[i], series.y[i]);
    else
      line(script, "NaN NaN");
  }
  line(script, "END");
}

void append_arrows(Script& script, std::string_view name, std::span<const Arrow> arrows) {
  if (arrows.empty()) return;
  line(script, "{} << END", name);
  for (const Arrow& arrow : arrows)
    line(script, "{} {} {} {}", arrow.x, arrow.y, arrow.dx, arrow.dy);
  line(script, "END");
}

std::string style_of(const Series& series) {
  const auto color = kPalette[static_cast<std::size_t>(series.color) % kPalette.size()];
  switch (series.style) {
    case LineStyle::thin:
      return fmt::format("lines lw 0.5 lc rgb '#b0{}'", color.substr(1));
    case LineStyle::line_with_points:
      return fmt::format("linespoints lw 2 pt 7 ps 0.5 lc rgb '{}'", color);
    case LineStyle::points:
      return fmt::format("points pt 7 ps 0.8 lc rgb '{}'", color);
    case LineStyle::line:
      break;
  }
  return fmt::format("lines lw 2 lc rgb '{}'", color);
}

void append_range(Script& script, std::string_view axis,
                  const std::optional<std::pair<double, double>>& range) {
  if (range)
    line(script, "set {} [{}:{}]", axis, range->first, range->second);
  else
    line(script, "set {} [*:*]", axis);
}

bool is_finite(double value) { return std::isfinite(value); }

// gnuplot refuses to plot what has none.
bool has_points(const Series& series) {
  return std::any_of(series.y.begin(), series.y.end(), is_finite);
}

void append_names(Script& script, std::span<const std::string> names) {
  if (names.empty()) {
    line(script, "set xtics autofreq");
    return;
  }
  std::string tics;
  for (std::size_t i = 0; i < names.size(); ++i)
    tics += fmt::format("{}{} {}", i == 0 ? "" : ", ", literal(names[i]), i);
  line(script, "set xtics ({})", tics);
}

std::string_view place_of(Legend legend) {
  switch (legend) {
    case Legend::bottom_right:
      return "bottom right inside";
    case Legend::outside:
      return "center right outside";
    case Legend::below:
      return "bottom center outside horizontal samplen 2 width -5 height 1";
    case Legend::top_right:
      break;
  }
  return "top right inside";
}

void append_panel(Script& script, const Panel& panel, std::size_t index) {
  line(script, "set title {}", literal(panel.title));
  line(script, "set xlabel {}", literal(panel.x_label));
  line(script, "set ylabel {}", literal(panel.y_label));
  line(script, "{} logscale x", panel.logarithmic_x ? "set" : "unset");
  line(script, "{} logscale y", panel.logarithmic_y ? "set" : "unset");
  // By itself, gnuplot writes 1e-7 out beside 10 where an axis has both.
  line(script, "set format x '{}'", panel.logarithmic_x ? "%g" : "% h");
  line(script, "set format y '{}'", panel.logarithmic_y ? "%g" : "% h");
  line(script, "set key {}", place_of(panel.legend));
  append_names(script, panel.x_names);
  append_range(script, "xrange", panel.x_range);
  append_range(script, "yrange", panel.y_range);
  line(script, "set size {}", panel.equal_units ? "ratio -1" : "noratio");
  if (panel.arrows.empty() && std::none_of(panel.series.begin(), panel.series.end(), has_points)) {
    line(script, "unset logscale xy");
    line(script, "plot [0:1][0:1] NaN notitle");
    return;
  }
  std::string parts;
  for (std::size_t i = 0; i < panel.series.size(); ++i) {
    const Series& series = panel.series[i];
    if (!has_points(series)) continue;
    const std::string title =
        series.label.empty() ? "notitle" : fmt::format("title {}", literal(series.label));
    parts += fmt::format("{}$data{}_{} using 1:2 with {} {}", parts.empty() ? "" : ", ", index, i,
                         style_of(series), title);
  }
  if (!panel.arrows.empty())
    parts +=
        fmt::format("{}$arrows{} using 1:2:3:4 with vectors filled head lw 1.3 lc rgb '{}' notitle",
                    parts.empty() ? "" : ", ", index, kPalette[0]);
  line(script, "plot {}", parts);
}

std::string gnuplot_script(const Plot& plot, const std::filesystem::path& file) {
  Script script;
  line(script, "set encoding utf8");
  append_terminal(script, file, std::max<std::size_t>(plot.panels.size(), 1));
  for (std::size_t p = 0; p < plot.panels.size(); ++p) {
    for (std::size_t s = 0; s < plot.panels[p].series.size(); ++s)
      append_data(script, fmt::format("$data{}_{}", p, s), plot.panels[p].series[s]);
    append_arrows(script, fmt::format("$arrows{}", p), plot.panels[p].arrows);
  }
  line(script, "set grid lt 1 lw 0.5 lc rgb '#dddddd'");
  line(script, "set border 3 lc rgb '#666666'");
  line(script, "set tics nomirror");
  line(script, "set multiplot layout 1,{} title {}", std::max<std::size_t>(plot.panels.size(), 1),
       literal(plot.title));
  for (std::size_t p = 0; p < plot.panels.size(); ++p) append_panel(script, plot.panels[p], p);
  line(script, "unset multiplot");
  line(script, "unset output");
  return script;
}

bool is_whole(std::string_view image, const std::filesystem::path& file) {
  if (file.extension() == ".svg") return image.find("</svg>") != std::string_view::npos;
  return image.find("IEND") != std::string_view::npos;
}

// gnuplot repeats the command, points at the place and says what is wrong last.
std::string last_line(std::string_view text) {
  const std::size_t end = text.find_last_not_of("\r\n\t ");
  if (end == std::string_view::npos) return "no message";
  text = text.substr(0, end + 1);
  return std::string(text.substr(text.find_last_of('\n') + 1));
}

}  // namespace

bool can_draw(const std::filesystem::path& file) {
  return file.extension() == ".svg" || file.extension() == ".png";
}

void draw(const Plot& plot, std::span<const std::filesystem::path> files,
          const std::filesystem::path& gnuplot) {
  for (const std::filesystem::path& file : files) {
    const std::string script = gnuplot_script(plot, file);
    // -d: without the settings files of the system and the user.
    const std::array<std::string, 3> command{gnuplot.string(), "-d", "-"};
    const auto result = detail::run_process(command, script);
    if (result.exit_code != 0 || !is_whole(result.output, file))
      throw DataError(fmt::format("plot {}: {} ended with code {}: {}", file.string(),
                                  gnuplot.string(), result.exit_code, last_line(result.errors)));
    write_file(file, result.output);
  }
}

std::string gnuplot_version(const std::filesystem::path& gnuplot) {
  try {
    const std::array<std::string, 2> command{gnuplot.string(), "--version"};
    const auto result = detail::run_process(command, "");
    const std::string text = last_line(result.output);
    constexpr std::string_view kName = "gnuplot ";
    return result.exit_code == 0 && text.starts_with(kName) ? text.substr(kName.size()) : "";
  } catch (const DataError&) {
    return "";
  }
}

}  // namespace gradatim
