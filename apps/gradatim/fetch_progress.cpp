#include "fetch_progress.hpp"

#include <fmt/format.h>

#include <cstdio>

#include "text.hpp"

namespace gradatim::app {
namespace {

constexpr std::size_t kBarWidth = 30;

std::string size_text(double bytes) {
  return bytes < 1e6 ? fmt::format("{:.1f} kB", bytes * 1e-3)
                     : fmt::format("{:.1f} MB", bytes * 1e-6);
}

}  // namespace

void FetchPrinter::begin(const FetchProgress& progress) {
  finish();
  url_ = progress.url;
  resumed_from_ = progress.received;
  started_ = Clock::now();
  if (!line_.on_terminal())
    fmt::print(stderr, "{} of {}: {}\n", progress.file_index + 1, kDatasetFiles, progress.url);
}

void FetchPrinter::show(const FetchProgress& progress) {
  if (url_ != progress.url) begin(progress);
  const bool ended = progress.total != 0 && progress.received == progress.total;
  if (line_.is_due() || ended) draw(progress);
}

void FetchPrinter::draw(const FetchProgress& progress) {
  const double seconds = std::chrono::duration<double>(Clock::now() - started_).count();
  const auto received = static_cast<double>(progress.received);
  const double rate = seconds > 0 ? (received - static_cast<double>(resumed_from_)) / seconds : 0.0;
  if (progress.total == 0) {  // not known
    line_.draw(fmt::format("{} {}, {}/s", progress.file, size_text(received), size_text(rate)));
    return;
  }
  const auto total = static_cast<double>(progress.total);
  line_.draw(fmt::format("{} {} {} of {}, {}/s", progress.file,
                         hash_bar(received / total, kBarWidth), size_text(received),
                         size_text(total), size_text(rate)));
}

void FetchPrinter::finish() {
  line_.keep();
  url_.clear();
}

}  // namespace gradatim::app
