#pragma once

namespace gradatim::app {

/// While it lives, the first Ctrl-C (or SIGTERM) is only noted, so that training can stop after its
/// step and leave a complete run folder; another, a fifth of a second later or more, ends the
/// process at once.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  /// The signal that came, or 0.
  static int signal();
};

}  // namespace gradatim::app
