#include "redrawn_line.hpp"

#include <fmt/format.h>
#include <unistd.h>

namespace gradatim::app {

RedrawnLine::RedrawnLine(std::FILE* out) : out_(out), terminal_(isatty(fileno(out)) != 0) {}

bool RedrawnLine::is_due() const {
  constexpr std::chrono::milliseconds kRedraw{100};
  return terminal_ && Clock::now() - drawn_ >= kRedraw;
}

void RedrawnLine::draw(std::string_view text) {
  if (!terminal_) return;
  fmt::print(out_, "\r{}\x1b[K", text);
  std::fflush(out_);
  drawn_ = Clock::now();
  is_drawn_ = true;
}

// stdio, which does not throw as fmt::print does: the destructor comes here.
void RedrawnLine::clear() {
  if (is_drawn_) std::fputs("\r\x1b[K", out_);
  std::fflush(out_);
  is_drawn_ = false;
}

void RedrawnLine::keep() {
  if (is_drawn_) std::fputc('\n', out_);
  is_drawn_ = false;
}

}  // namespace gradatim::app
