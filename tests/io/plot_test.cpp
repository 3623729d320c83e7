#include "gradatim/io/plot.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>

#include "gradatim/io/file.hpp"
#include "gradatim/io/png.hpp"
#include "support/errors.hpp"
#include "support/temporary_folder.hpp"

namespace gradatim {
namespace {

using test::message_of;

Plot sample_plot() {
  Series curve{.label = "exp(-x)", .x = {}, .y = {}};
  Series points{
      .label = "measured", .x = {}, .y = {}, .style = LineStyle::line_with_points, .color = 1};
  for (int i = 0; i <= 50; ++i) {
    curve.x.push_back(i);
    curve.y.push_back(std::exp(-0.1 * i));
    if (i % 10 == 0) {
      points.x.push_back(i);
      points.y.push_back(curve.y.back() + 0.05);
    }
  }
  return {
      .title = "a title",
      .panels = {
          {.title = "decay", .x_label = "step", .y_label = "loss", .series = {curve, points}},
          {.title = "", .x_label = "x", .y_label = "y", .logarithmic_y = true, .series = {curve}}}};
}

bool gnuplot_is_installed() { return std::system("command -v gnuplot >/dev/null") == 0; }

TEST(Draw, WritesSvgAndPng) {
  if (!gnuplot_is_installed()) GTEST_SKIP() << "no gnuplot";
  const test::TemporaryFolder folder;
  const std::array<std::filesystem::path, 2> files{folder / "a.svg", folder / "a.png"};
  draw(sample_plot(), files);
  const std::string svg = read_file(files[0]);
  for (const auto* text : {"<svg", "a title", "decay", "exp(-x)", "measured", "</svg>"})
    EXPECT_CONTAINS(svg, text);
  EXPECT_EQ(read_png_gray(files[1]).shape(), (Shape{420, 1280}));
}

// Every text of a plot may come from a file: it must stay text.
TEST(Draw, TakesTextAsTextAndNotAsCommands) {
  if (!gnuplot_is_installed()) GTEST_SKIP() << "no gnuplot";
  const test::TemporaryFolder folder;
  const std::string victim = (folder / "victim").string();
  const std::array<std::filesystem::path, 1> files{folder / "a.svg"};
  const std::vector<std::string> texts{"'; system('touch " + victim + "'); '",
                                       "`touch " + victim + "`",
                                       "\n!touch " + victim + "\n",
                                       "@x ${y} {/Bold z} \\",
                                       "END\nEND",
                                       "a_{b}^{c} & <d> \"e\""};
  for (const std::string& text : texts) {
    Plot plot = sample_plot();
    plot.title = plot.panels[0].title = plot.panels[0].series[0].label = text;
    plot.panels[0].x_label = plot.panels[0].y_label = text;
    draw(plot, files);
    EXPECT_FALSE(std::filesystem::exists(victim)) << text;
  }
  EXPECT_CONTAINS(read_file(files[0]), "a_{b}^{c} &amp; &lt;d> \"e\"");
}

TEST(Draw, CopesWithValuesThatCannotBeDrawn) {
  if (!gnuplot_is_installed()) GTEST_SKIP() << "no gnuplot";
  const test::TemporaryFolder folder;
  const std::array<std::filesystem::path, 1> files{folder / "a.svg"};
  const double infinity = std::numeric_limits<double>::infinity();
  Plot plot = sample_plot();
  plot.panels[0].series[0] = {.label = "odd", .x = {1, 2, 3, 4}, .y = {1, NAN, infinity, 2}};
  plot.panels[0].series[1] = {.label = "none", .x = {}, .y = {}};
  plot.panels[1].series.clear();
  draw(plot, files);
  EXPECT_CONTAINS(read_file(files[0]), "odd");
  plot.panels[0].series[0].y = {NAN, NAN, infinity, NAN};
  draw(plot, files);
  EXPECT_CONTAINS(read_file(files[0]), "decay");
}

TEST(Draw, SaysWhatIsWrong) {
  const test::TemporaryFolder folder;
  const std::array<std::filesystem::path, 1> svg{folder / "a.svg"};
  const std::array<std::filesystem::path, 1> jpg{folder / "a.jpg"};
  EXPECT_CONTAINS(message_of<InvalidArgument>([&] { draw(sample_plot(), jpg); }),
                  "expected the extension .svg or .png");
  EXPECT_EQ(message_of<DataError>([&] { draw(sample_plot(), svg, "/no/gnuplot"); }),
            "run /no/gnuplot: No such file or directory");
  EXPECT_CONTAINS(message_of<DataError>([&] { draw(sample_plot(), svg, "/bin/false"); }),
                  "/bin/false ended with code 1: no message");
  EXPECT_CONTAINS(message_of<DataError>([&] { draw(sample_plot(), svg, "/bin/true"); }),
                  "/bin/true ended with code 0");
  Plot uneven = sample_plot();
  uneven.panels[0].series[0].x.pop_back();
  EXPECT_CONTAINS(message_of<InvalidArgument>([&] { draw(uneven, svg); }),
                  "plot series 'exp(-x)': 50 values of x, 51 of y");
  EXPECT_FALSE(std::filesystem::exists(svg[0]));
}

}  // namespace
}  // namespace gradatim
