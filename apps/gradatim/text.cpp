#include "text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

namespace gradatim::app {
namespace {

constexpr std::array<std::string_view, 9> kColumns{" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
constexpr std::array<std::string_view, 9> kEighths{"", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"};

// NaN is 0.
double clamped(double share) { return share > 0 ? std::min(share, 1.0) : 0; }

}  // namespace

std::string one_line(std::string_view message) {
  std::string line(message);
  for (char& c : line)
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7F') c = ' ';
  return line;
}

std::string shortened(std::string_view text) {
  constexpr std::size_t kMost = 100;
  if (text.size() <= kMost) return std::string(text);
  std::size_t end = kMost - 3;
  while ((static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U && end > 0) --end;
  return std::string(text.substr(0, end)) + "...";
}

std::string class_name(std::span<const std::string> names, std::size_t index) {
  return index < names.size() ? one_line(names[index]) : fmt::format("{}", index);
}

std::string loss_text(double loss) {
  if (std::isnan(loss)) return "nan";  // whatever its sign
  const double size = std::abs(loss);
  return size != 0 && (size < 1e-3 || size >= 1e4) ? fmt::format("{:.3e}", loss)
                                                   : fmt::format("{:.4f}", loss);
}

std::string duration(double seconds) {
  const auto whole = static_cast<long>(std::ceil(std::max(seconds, 0.0)));
  if (whole >= 3600)
    return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

std::string hash_bar(double share, std::size_t width) {
  const auto filled = static_cast<std::size_t>(clamped(share) * static_cast<double>(width));
  return fmt::format("[{:#<{}}{:.<{}}]", "", filled, "", width - filled);
}

std::string block_bar(double share, std::size_t width) {
  const auto eighths =
      static_cast<std::size_t>(std::lround(clamped(share) * 8 * static_cast<double>(width)));
  std::string bar;
  for (std::size_t i = 0; i < eighths / 8; ++i) bar += kEighths[8];
  bar += kEighths[eighths % 8];
  return padded(bar, width);
}

std::string sparkline(std::span<const double> values, std::size_t width) {
  const std::size_t count = std::min(values.size(), width);
  std::vector<double> shown;
  for (std::size_t i = 0; i < count; ++i)  // the last of each of `count` parts
    shown.push_back(values[(i + 1) * values.size() / count - 1]);
  std::string line;
  if (shown.empty()) return line;
  double low = std::numeric_limits<double>::infinity();
  double high = -low;
  for (const double value : shown) {
    if (!std::isfinite(value)) continue;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  for (const double value : shown) {
    const double share = high > low ? clamped((value - low) / (high - low)) : 0.5;
    line += std::isfinite(value) ? kColumns[1 + static_cast<std::size_t>(share * 7)] : kColumns[0];
  }
  return line;
}

std::size_t columns(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;  // not a continuation byte
  }));
}

std::string padded(std::string_view text, std::size_t width) {
  const std::size_t taken = columns(text);
  return std::string(text) + std::string(taken < width ? width - taken : 0, ' ');
}

}  // namespace gradatim::app
