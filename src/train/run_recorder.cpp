#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "gradatim/core/error.hpp"
#include "gradatim/core/kernels.hpp"
#include "gradatim/io/file.hpp"
#include "gradatim/train/run_folder.hpp"
#include "train/metrics_file.hpp"
#include "train/run_summary.hpp"

namespace gradatim {
namespace {

// Those of the data; outputs that nobody named are numbered.
Columns model_columns(const Recipe& recipe, const Dataset& data) {
  Columns columns = data.columns;
  if (!data.train.labels.empty() || !columns.targets.empty()) return columns;
  columns.targets.resize(output_shape(recipe.network).size());
  for (std::size_t k = 0; k < columns.targets.size(); ++k)
    columns.targets[k].name = fmt::format("output {}", k + 1);
  return columns;
}

}  // namespace

RunRecorder::RunRecorder(std::filesystem::path folder, const Recipe& recipe, const Dataset& data,
                         const Checkpoint* from)
    : folder_(std::move(folder)),
      lock_(folder_),
      recipe_(recipe),
      data_sha256_(data_sha256(data)),
      epoch_steps_(steps_per_epoch(data.train.size(), samples_per_step(recipe.options))),
      model_{recipe.network, Parameters(parameter_layout(recipe.network)), data.class_names,
             model_columns(recipe, data), target_kind(recipe.options.loss, data.train)},
      figures_(figures(target_kind(recipe.options.loss, data.train))) {
  const std::filesystem::path file = folder_ / "metrics.csv";
  const detail::MetricsFile::Columns columns{.figures = figures_,
                                             .validation = data.validation.size() != 0};
  write_file(folder_ / "recipe.toml", to_toml(recipe));  // first: it makes the folder a run
  std::uint64_t kept = 0;
  if (from != nullptr && from->state.step != 0) {
    try {
      detail::read_metrics(file, columns, from->metrics_bytes, epoch_steps_, loss_, scores_);
      kept = from->metrics_bytes;
    } catch (const DataError& error) {  // the weights can go on without
      forget_metrics(file, from->state.step, error.what());
    }
    pending_ = {.step = from->state.step, .loss = from->state.loss};
    loss_.add(pending_.loss);
  }
  metrics_ = std::make_unique<detail::MetricsFile>(file, columns, kept);
  std::error_code ignored;
  std::filesystem::remove(folder_ / "summary.json", ignored);
}

RunRecorder::~RunRecorder() = default;

void RunRecorder::forget_metrics(const std::filesystem::path& file, std::size_t step,
                                 std::string_view why) {
  loss_ = LossCurve(step);
  scores_.clear();
  notes_.push_back(fmt::format("{}; metrics and curves begin anew behind step {}", why, step));
  std::error_code ignored;
  std::filesystem::rename(file, file.string() + ".damaged", ignored);
}

bool RunRecorder::on_step(const StepRecord& record) {
  try {
    if (pending_.step != 0) metrics_->write(pending_, nullptr);
  } catch (const DataError&) {
    failure_ = std::current_exception();  // an evaluation follows, with the weights
  }
  pending_ = record;
  loss_.add(record.loss);
  return failure_ == nullptr;
}

void RunRecorder::save(std::span<const float> theta) {
  const auto kept = model_.parameters.theta();
  if (theta.size() != kept.size())
    throw ShapeError(fmt::format("run {}: expected {} parameters, got {}", folder_.string(),
                                 kept.size(), theta.size()));
  std::copy(theta.begin(), theta.end(), kept.begin());
  save_model(folder_ / "model.safetensors", model_);
}

// The rows that a checkpoint counts on are on the disk before it is. Where it fails, an evaluation
// follows, which saves the weights.
void RunRecorder::on_checkpoint(const TrainState& state) {
  if (failure_) return;
  try {
    metrics_->sync();
    save_checkpoint(folder_ / "checkpoints",
                    {to_toml(recipe_), data_sha256_, metrics_->bytes(), state},
                    recipe_.options.checkpoints.keep);
  } catch (const DataError&) {
    failure_ = std::current_exception();
  }
}

void RunRecorder::on_epoch(const EpochRecord& record) {
  save(record.theta);  // first, lest another file's failure take the weights along
  if (failure_) std::rethrow_exception(failure_);
  if (pending_.step != 0) metrics_->write(std::exchange(pending_, {}), &record);
  metrics_->flush();
  const double Scores::*figure = figures_.front().value;
  scores_.push_back({.epoch = static_cast<double>(record.step) / static_cast<double>(epoch_steps_),
                     .train = record.train.*figure,
                     .test = record.test.*figure,
                     .validation = record.validation.*figure});
}

void RunRecorder::draw_curves(const std::filesystem::path& gnuplot) {
  const std::array<std::filesystem::path, 2> files{folder_ / "curves.svg", folder_ / "curves.png"};
  try {
    const std::string title = fmt::format("{} on {}", recipe_.name, recipe_.data);
    draw(training_curves(title, loss_, scores_, figures_.front().name), files, gnuplot);
  } catch (const DataError& error) {
    notes_.push_back(fmt::format("no curves were drawn: {}", error.what()));
  }
}

RunSummary RunRecorder::finish(const TrainResult& result, const std::filesystem::path& gnuplot) {
  const auto theta = result.parameters.theta();
  save(theta);
  if (!kernels::all_finite(theta))
    notes_.emplace_back("model.safetensors holds values that are not finite: it can't be loaded");
  if (pending_.step != 0) metrics_->write(std::exchange(pending_, {}), nullptr);
  metrics_->sync();
  draw_curves(gnuplot);
  RunSummary summary = summarize(recipe_, figures_, result, folder_);
  summary.data_sha256 = data_sha256_;
  write_file(folder_ / "summary.json", to_json(summary, /*indented=*/true) + "\n");
  return summary;
}

}  // namespace gradatim
