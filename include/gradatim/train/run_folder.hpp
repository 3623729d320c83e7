#pragma once

#include <exception>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gradatim/train/checkpoint.hpp"
#include "gradatim/train/curves.hpp"
#include "gradatim/train/folder_lock.hpp"
#include "gradatim/train/model_file.hpp"
#include "gradatim/train/recipe.hpp"
#include "gradatim/train/train.hpp"

namespace gradatim {

namespace detail {
class MetricsFile;
}

/// What a run came to: summary.json, and the object of `gradatim train --json`.
struct RunSummary {
  std::string recipe;
  std::string data;
  std::string data_sha256{};  // see data_sha256()
  std::string stopped;        // "steps_done", "early_stopped", "interrupted" or "non_finite"
  std::string message;        // of non_finite
  std::size_t steps = 0;
  double seconds = 0;
  double steps_per_second = 0;
  double train_loss = 0;
  std::vector<Figure> figures;  // "accuracy", ... of each of the following
  Scores train;
  std::size_t train_samples = 0;  // that they are of: TrainOptions::evaluation
  Scores validation;              // all NaN without validation samples
  Scores test;
  std::string weights;         // the model's: "last" or "average"
  std::size_t best_epoch = 0;  // whose they are, if early stopping chose
  std::size_t parameters = 0;
  std::string parameters_sha256;  // of the raw float32 theta
  std::string run;                // the folder
};
/// One line, or indented for reading. Numbers that are not finite become null.
std::string to_json(const RunSummary& summary, bool indented = false);

/// Makes the folder of a run: `folder` itself, which may exist if it is empty. Throws
/// InvalidArgument if it holds anything, DataError if it can't be made.
std::filesystem::path create_run_folder(const std::filesystem::path& folder);

/// The first of PARENT/NAME-1, PARENT/NAME-2, ... that does not exist, made. Characters of the name
/// that are not letters, digits, '.', '_' or '-' become '-'.
std::filesystem::path create_numbered_run_folder(const std::filesystem::path& parent,
                                                 std::string_view name);

/// Writes a run into its folder while it is trained:
///
///     recipe.toml        the resolved recipe, at once: `gradatim train RUN/recipe.toml` replays
///     metrics.csv        step, epoch, loss; where evaluated train_* and test_* for each figure of
///                        the targets' kind, such as accuracy, train_* of the samples that the
///                        recipe's evaluation.train_samples says; with a validation split
///                        validation_loss and validation_*
///     model.safetensors  see save_model; at every evaluation
///     checkpoints/       see save_checkpoint; what train() needs to go on
///     curves.svg, .png   by gnuplot, if it is there
///     summary.json       last: a folder that has it is complete
///
/// It holds the folder's FolderLock. All but metrics.csv appear whole or not at all. Throws
/// DataError that names the file; if that is metrics.csv, the model is saved first, and training
/// stopped before.
class RunRecorder final : public TrainObserver {
 public:
  /// `recipe` is resolved; `data` are those it is trained on. With a checkpoint of that folder, it
  /// goes on from there: what metrics.csv says of later steps is dropped, and summary.json is gone:
  /// from now on the run is not complete. A metrics.csv that is lost or damaged begins anew, which
  /// notes() say.
  RunRecorder(std::filesystem::path folder, const Recipe& recipe, const Dataset& data,
              const Checkpoint* from = nullptr);
  ~RunRecorder() override;

  bool on_step(const StepRecord& record) override;
  void on_epoch(const EpochRecord& record) override;
  void on_checkpoint(const TrainState& state) override;

  /// Writes what is left. `gnuplot` is the program that draws.
  RunSummary finish(const TrainResult& result, const std::filesystem::path& gnuplot = "gnuplot");
  /// What the folder lacks or is unfit for, and why: a line each.
  const std::vector<std::string>& notes() const { return notes_; }

 private:
  void forget_metrics(const std::filesystem::path& file, std::size_t step, std::string_view why);
  void save(std::span<const float> theta);
  void draw_curves(const std::filesystem::path& gnuplot);

  std::filesystem::path folder_;
  FolderLock lock_;
  Recipe recipe_;
  std::string data_sha256_;
  std::size_t epoch_steps_;
  Model model_;
  std::vector<Figure> figures_;
  std::unique_ptr<detail::MetricsFile> metrics_;
  std::exception_ptr failure_;  // of metrics_ in a step: to be thrown when the model is saved
  StepRecord pending_{};        // not yet written: its epoch's end may follow
  LossCurve loss_;
  std::vector<ScorePoint> scores_;
  std::vector<std::string> notes_;
};

/// Tells several observers everything, in order; training goes on while all of them agree.
class ObserverList final : public TrainObserver {
 public:
  ObserverList(std::initializer_list<TrainObserver*> observers) : observers_(observers) {}
  bool on_step(const StepRecord& record) override {
    bool go_on = true;
    for (TrainObserver* observer : observers_) go_on = observer->on_step(record) && go_on;
    return go_on;
  }
  void on_epoch(const EpochRecord& record) override {
    for (TrainObserver* observer : observers_) observer->on_epoch(record);
  }
  void on_checkpoint(const TrainState& state) override {
    for (TrainObserver* observer : observers_) observer->on_checkpoint(state);
  }

 private:
  std::vector<TrainObserver*> observers_;
};

/// Whether it is a folder that has a recipe.toml.
bool is_run_folder(const std::filesystem::path& path);

/// The recipe.toml of a run. Throws DataError that names the folder if there is none.
std::filesystem::path recipe_of_run(const std::filesystem::path& folder);

/// False if summary.json says that the run was trained on other data: rows that are held out by
/// number would be others.
bool is_data_of_run(const std::filesystem::path& folder, const Dataset& data);
/// Throws InvalidArgument that names the folder if not.
void require_data_of_run(const std::filesystem::path& folder, const Dataset& data);

/// A run as its folder holds it.
struct SavedRun {
  Recipe recipe;
  Model model;
};

/// Throws DataError if recipe.toml or model.safetensors is missing or bad, or if the model is of
/// another network than the recipe: then with the first tensor that differs.
SavedRun load_run(const std::filesystem::path& folder);

}  // namespace gradatim
