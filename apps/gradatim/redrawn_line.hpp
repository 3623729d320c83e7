#pragma once

#include <chrono>
#include <cstdio>
#include <string_view>

namespace gradatim::app {

/// The last line of a terminal, drawn again in its place at most ten times a second. Where `out` is
/// no terminal, nothing is. It is cleared when this goes, also behind an error.
class RedrawnLine {
 public:
  explicit RedrawnLine(std::FILE* out);
  RedrawnLine(const RedrawnLine&) = delete;
  RedrawnLine& operator=(const RedrawnLine&) = delete;
  ~RedrawnLine() { clear(); }

  bool on_terminal() const { return terminal_; }
  /// Whether it is time: not before a tenth of a second has gone by, so that nothing is drawn of
  /// what takes no time.
  bool is_due() const;
  void draw(std::string_view text);
  void clear();
  /// Leaves the text where it is, and begins a new line.
  void keep();

 private:
  using Clock = std::chrono::steady_clock;

  std::FILE* out_;
  bool terminal_;
  bool is_drawn_ = false;
  Clock::time_point drawn_ = Clock::now();
};

}  // namespace gradatim::app
