#include "interrupt.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>

namespace gradatim::app {
namespace {

constexpr std::array<int, 2> kSignals{SIGINT, SIGTERM};

// timeout(1) signals its child and then the group the child is in: one stop, two signals.
constexpr std::int64_t kSameStop = 200'000'000;  // nanoseconds

std::atomic<int> received{0};
std::atomic<std::int64_t> received_at{0};
static_assert(std::atomic<int>::is_always_lock_free &&
                  std::atomic<std::int64_t>::is_always_lock_free,
              "a signal handler may store them");

std::int64_t now() {
  return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void note(int signal) {
  if (received == 0) {
    received_at = now();
    received = signal;
  } else if (now() - received_at > kSameStop) {
    std::signal(signal, SIG_DFL);
    std::raise(signal);
  }
}

}  // namespace

Interrupt::Interrupt() {
  received = 0;
  struct sigaction action {};
  action.sa_handler = note;
  action.sa_flags = SA_RESTART;
  for (const int signal : kSignals) sigaddset(&action.sa_mask, signal);
  for (const int signal : kSignals) {
    struct sigaction before {};
    sigaction(signal, nullptr, &before);
    // Whoever started us in the background may have had it ignored.
    if (before.sa_handler != SIG_IGN) sigaction(signal, &action, nullptr);
  }
}

Interrupt::~Interrupt() {
  for (const int signal : kSignals) {
    struct sigaction current {};
    sigaction(signal, nullptr, &current);
    if (current.sa_handler == note) std::signal(signal, SIG_DFL);
  }
}

int Interrupt::signal() { return received; }

}  // namespace gradatim::app
