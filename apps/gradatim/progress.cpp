#include "progress.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cmath>

#include "text.hpp"

namespace gradatim::app {
namespace {

constexpr std::size_t kBarWidth = 30;  // where the terminal is wide enough

std::size_t terminal_width(std::FILE* out) {
  winsize size{};
  return ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

std::size_t digits(std::size_t number) { return fmt::formatted_size("{}", number); }

}  // namespace

Progress::Progress(std::FILE* out, std::size_t steps, std::size_t steps_per_epoch,
                   const Figure& figure)
    : out_(out), line_(out), steps_(steps), steps_per_epoch_(steps_per_epoch), figure_(figure) {}

bool Progress::on_step(const StepRecord& record) {
  if (!first_step_) first_step_ = record.step - 1;
  loss_sum_ += record.loss;
  ++loss_count_;
  if (line_.is_due()) draw(record);
  return true;
}

void Progress::draw(const StepRecord& record) {
  const double seconds = std::chrono::duration<double>(Clock::now() - started_).count();
  const std::size_t taken_steps = record.step - first_step_.value_or(record.step);
  const double rate = seconds > 0 ? static_cast<double>(taken_steps) / seconds : 0;
  const double left = rate > 0 ? static_cast<double>(steps_ - record.step) / rate : 0;
  const std::string text = fmt::format("{}/{}  {:.0f} steps/s  loss {}  {} left", record.step,
                                       steps_, rate, loss_text(record.loss), duration(left));
  const std::size_t taken = text.size() + 4;  // with brackets, a space and the last column
  const std::size_t width = std::max(terminal_width(out_), taken);
  const double share = static_cast<double>(record.step) / static_cast<double>(steps_);
  line_.draw(fmt::format("{} {}", hash_bar(share, std::min(kBarWidth, width - taken)), text));
}

void Progress::on_epoch(const EpochRecord& record) {
  line_.clear();
  std::string loss;  // none where an epoch's end is evaluated again, as a resumed run does
  if (loss_count_ > 0) {
    losses_.push_back(loss_sum_ / static_cast<double>(loss_count_));
    loss = fmt::format("loss {}  ", loss_text(losses_.back()));
  }
  test_figures_.push_back(record.test.*figure_.value);
  loss_sum_ = 0;
  loss_count_ = 0;
  const std::size_t epochs = (steps_ + steps_per_epoch_ - 1) / steps_per_epoch_;
  fmt::print(out_, "epoch {:>{}}/{}  step {:>{}}  {}train {} {:.4f}  ", record.epoch,
             digits(epochs), epochs, record.step, digits(steps_), loss, figure_.name,
             record.train.*figure_.value);
  if (!std::isnan(record.validation.loss))
    fmt::print(out_, "validation {:.4f}  ", record.validation.*figure_.value);
  fmt::print(out_, "test {:.4f}\n", record.test.*figure_.value);
  std::fflush(out_);
}

}  // namespace gradatim::app
