#include "fetch_progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

namespace gradatim::app {
namespace {

constexpr std::size_t kBarWidth = 30;
constexpr std::chrono::milliseconds kRedraw{100};

std::string size_text(double bytes) {
  return bytes < 1e6 ? fmt::format("{:.1f} kB", bytes * 1e-3)
                     : fmt::format("{:.1f} MB", bytes * 1e-6);
}

std::string bar(std::uint64_t received, std::uint64_t total) {
  const std::size_t filled = total == 0 ? 0 : received * kBarWidth / total;
  return fmt::format("[{:#<{}}{:.<{}}]", "", filled, "", kBarWidth - filled);
}

}  // namespace

FetchPrinter::FetchPrinter() : terminal_(isatty(STDERR_FILENO) != 0) {}

void FetchPrinter::begin(const FetchProgress& progress) {
  finish();
  url_ = progress.url;
  resumed_from_ = progress.received;
  started_ = Clock::now();
  drawn_ = {};
  if (!terminal_)
    fmt::print(stderr, "{} of {}: {}\n", progress.file_index + 1, kDatasetFiles, progress.url);
}

void FetchPrinter::show(const FetchProgress& progress) {
  if (url_ != progress.url) begin(progress);
  const bool ended = progress.total != 0 && progress.received == progress.total;
  if (!terminal_ || (Clock::now() - drawn_ < kRedraw && !ended)) return;
  draw(progress);
  drawn_ = Clock::now();
}

void FetchPrinter::draw(const FetchProgress& progress) {
  const double seconds = std::chrono::duration<double>(Clock::now() - started_).count();
  const auto received = static_cast<double>(progress.received);
  const double rate = seconds > 0 ? (received - static_cast<double>(resumed_from_)) / seconds : 0.0;
  fmt::print(stderr, "\r{} {} {} of {}, {}/s\x1b[K", progress.file,
             bar(progress.received, progress.total), size_text(received),
             size_text(static_cast<double>(progress.total)), size_text(rate));
  std::fflush(stderr);
}

void FetchPrinter::finish() {
  if (terminal_ && !url_.empty()) fmt::print(stderr, "\n");
  url_.clear();
}

}  // namespace gradatim::app
