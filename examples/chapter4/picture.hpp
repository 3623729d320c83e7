#pragma once

#include <array>
#include <filesystem>
#include <string>

#include "gradatim/io/plot.hpp"

/// Draws name.svg into the folder that the program was given, or into the current one.
inline void draw_picture(const gradatim::Plot& plot, const std::string& name, int argc,
                         char** argv) {
  const std::filesystem::path folder = argc > 1 ? argv[1] : ".";
  const std::array files{folder / (name + ".svg")};
  gradatim::draw(plot, files);
}
