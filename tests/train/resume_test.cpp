#include "gradatim/train/resume.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

#include "gradatim/io/file.hpp"
#include "gradatim/train/run_folder.hpp"
#include "support/datasets.hpp"
#include "support/errors.hpp"
#include "support/full_disk.hpp"
#include "support/temporary_folder.hpp"

namespace gradatim {
namespace {

using test::message_of;

// Epochs of 20 steps end at 20, 40 and 45.
Recipe sample_recipe(const Optimizer& optimizer = Adam{.learning_rate = 0.01F}) {
  Recipe recipe;
  recipe.name = "stripes";
  recipe.data = "striped";
  recipe.network = Network({36}, {Dense{12, Xavier{}}, Tanh{}, Dense{4, Xavier{}}});
  recipe.options.optimizer = optimizer;
  recipe.options.batch = 20;
  recipe.options.steps = 45;
  recipe.options.threads = 1;
  return recipe;
}

// Where a training ends: as Ctrl-C ends it, or without a chance to leave anything, as kill -9.
struct Stops {
  std::size_t stopped_at = 0;
  std::size_t thrown_at = 0;
};

struct Stopper final : TrainObserver {
  explicit Stopper(const Stops& wanted) : stops(wanted) {}
  bool on_step(const StepRecord& record) override {
    if (record.step == stops.thrown_at) throw std::runtime_error("killed");
    return record.step != stops.stopped_at;
  }
  Stops stops;
};

struct Outcome {
  RunSummary summary;
  std::string metrics;
  std::string model;
};

Outcome run(const std::filesystem::path& folder, const Recipe& recipe, const Dataset& data,
            const Stops& stops = {}, const ResumePoint& from = {}) {
  RunRecorder recorder(folder, recipe, data, from.from());
  Stopper stopper(stops);
  ObserverList both{&recorder, &stopper};
  const TrainResult result = train(recipe.network, data, recipe.options, &both, from.state());
  Outcome outcome{.summary = recorder.finish(result, "/no/gnuplot"), .metrics = {}, .model = {}};
  outcome.metrics = read_file(folder / "metrics.csv");
  outcome.model = read_file(folder / "model.safetensors");
  return outcome;
}

Outcome resumed(const std::filesystem::path& folder, const Dataset& data, std::size_t threads,
                const Stops& stops = {}) {
  Recipe recipe = read_recipe(folder / "recipe.toml");
  recipe.options.threads = threads;
  const ResumePoint point = find_resume_point(folder, recipe, data);
  EXPECT_FALSE(point.finished);
  prepare_to_resume(folder, point);
  return run(folder, recipe, data, stops, point);
}

void expect_same(const Outcome& a, const Outcome& b, const std::string& what) {
  EXPECT_EQ(a.summary.parameters_sha256, b.summary.parameters_sha256) << what;
  EXPECT_EQ(a.metrics, b.metrics) << what;
  EXPECT_EQ(a.model, b.model) << what;
  EXPECT_EQ(a.summary.test.accuracy, b.summary.test.accuracy) << what;
  EXPECT_EQ(a.summary.steps, b.summary.steps) << what;
}

Outcome uninterrupted(const Recipe& recipe, const Dataset& data) {
  const test::TemporaryFolder folder;
  return run(folder.path(), recipe, data);
}

TEST(Resume, EndsWithTheSameBitsWhereverItWasStopped) {
  const Dataset data = test::striped_dataset();
  const Recipe recipe = sample_recipe();
  const Outcome whole = uninterrupted(recipe, data);
  for (const std::size_t step : {1U, 2U, 19U, 20U, 21U, 33U, 40U, 44U}) {
    const test::TemporaryFolder folder;
    const Outcome stopped = run(folder.path(), recipe, data, {.stopped_at = step});
    EXPECT_EQ(stopped.summary.stopped, "interrupted");
    EXPECT_EQ(stopped.summary.steps, step);
    const std::size_t threads = step % 4;
    expect_same(resumed(folder.path(), data, threads), whole, "stopped at " + std::to_string(step));
  }
}

TEST(Resume, EndsWithTheSameBitsWhereverItWasKilled) {
  const Dataset data = test::striped_dataset();
  for (const std::size_t every : {0U, 1U, 7U}) {
    Recipe recipe = sample_recipe();
    recipe.options.checkpoints.every = every;
    const Outcome whole = uninterrupted(recipe, data);
    for (const std::size_t step : {1U, 20U, 21U, 39U, 45U}) {
      const test::TemporaryFolder folder;
      EXPECT_THROW(run(folder.path(), recipe, data, {.thrown_at = step}), std::runtime_error);
      expect_same(resumed(folder.path(), data, 2), whole,
                  "every " + std::to_string(every) + ", killed in " + std::to_string(step));
    }
  }
}

TEST(Resume, EveryOptimizerSamplingAndScheduleGoOn) {
  const Dataset data = test::striped_dataset();
  for (const Optimizer& optimizer :
       {Optimizer(Sgd{}), Optimizer(Momentum{}), Optimizer(Nesterov{}), Optimizer(AdaGrad{}),
        Optimizer(RmsProp{}), Optimizer(Adam{}), Optimizer(AdamW{}), Optimizer(Lion{})}) {
    Recipe recipe = sample_recipe(optimizer);
    recipe.options.sampling = Sampling::shuffled_epochs;
    recipe.options.batch = 30;  // the last of an epoch is shorter
    recipe.options.schedule = OneCycle{};
    recipe.options.warmup = 5;
    const Outcome whole = uninterrupted(recipe, data);
    const test::TemporaryFolder folder;
    run(folder.path(), recipe, data, {.stopped_at = 17});
    expect_same(resumed(folder.path(), data, 3), whole, std::string(kind(optimizer)));
  }
}

TEST(Resume, AgainAndAgain) {
  const Dataset data = test::striped_dataset();
  const Recipe recipe = sample_recipe();
  const test::TemporaryFolder folder;
  run(folder.path(), recipe, data, {.stopped_at = 3});
  for (const std::size_t step : {9U, 22U, 31U})
    resumed(folder.path(), data, 1, {.stopped_at = step});
  expect_same(resumed(folder.path(), data, 2), uninterrupted(recipe, data), "four times");
}

// The control: without the optimizer's memory, Adam ends elsewhere.
TEST(Resume, WithoutTheOptimizersMemoryTheBitsDiffer) {
  const Dataset data = test::striped_dataset();
  const Recipe recipe = sample_recipe();
  const Outcome whole = uninterrupted(recipe, data);
  const test::TemporaryFolder folder;
  run(folder.path(), recipe, data, {.stopped_at = 30});
  const auto file = folder / "checkpoints/step-30.safetensors";
  StoredCheckpoint stored = load_checkpoint(file);
  for (NamedTensor& tensor : stored.tensors)
    if (tensor.name != "theta") std::ranges::fill(tensor.values.values(), 0.0F);
  save_checkpoint(folder / "checkpoints", stored.checkpoint, 2);
  EXPECT_NE(resumed(folder.path(), data, 1).summary.parameters_sha256,
            whole.summary.parameters_sha256);

  stored.checkpoint.state.tensors.pop_back();
  EXPECT_EQ(message_of<DataError>([&] {
              train(recipe.network, data, recipe.options, nullptr, &stored.checkpoint.state);
            }),
            "state of step 30: expected a tensor 'optimizer2' (496), there is none");
}

TEST(Resume, UsesTheCheckpointBeforeADamagedOneAndSaysSo) {
  const Dataset data = test::striped_dataset();
  const Recipe recipe = sample_recipe();
  const Outcome whole = uninterrupted(recipe, data);
  const test::TemporaryFolder origin;
  run(origin.path(), recipe, data, {.stopped_at = 41});  // checkpoints of 40 and 41
  const std::string good = read_file(origin / "checkpoints/step-41.safetensors");
  std::vector<std::string> damaged{"", good.substr(0, 1), good.substr(0, good.size() - 1),
                                   good + "x"};
  for (std::size_t at = 3; at < good.size(); at += good.size() / 23) {
    damaged.push_back(good);
    damaged.back()[at] = static_cast<char>(damaged.back()[at] ^ 1);
  }
  for (const std::string& bytes : damaged) {
    const test::TemporaryFolder folder;
    std::filesystem::copy(origin.path(), folder.path(), std::filesystem::copy_options::recursive);
    write_file(folder / "checkpoints/step-41.safetensors", bytes);
    const ResumePoint point = find_resume_point(folder.path(), recipe, data);
    ASSERT_EQ(point.notes.size(), 1U);
    EXPECT_CONTAINS(point.notes[0], "step-41.safetensors");
    ASSERT_TRUE(point.checkpoint);
    EXPECT_EQ(point.state()->step, 40U);
    expect_same(resumed(folder.path(), data, 1), whole, "damaged");
    EXPECT_EQ(read_file(folder / "checkpoints/step-41.safetensors.damaged"), bytes);
  }
}

TEST(Resume, NeverBeginsAnewOverCheckpointsThatCanNotBeRead) {
  const Dataset data = test::striped_dataset();
  const Recipe recipe = sample_recipe();
  const test::TemporaryFolder folder;
  const std::string metrics = run(folder.path(), recipe, data, {.stopped_at = 41}).metrics;
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder / "checkpoints")) {
    files.push_back(entry.path().filename().string());
    std::string bytes = read_file(entry.path());
    bytes.back() = static_cast<char>(bytes.back() ^ 1);
    write_file(entry.path(), bytes);
  }
  ASSERT_EQ(files.size(), 2U);
  const std::string message =
      message_of<DataError>([&] { find_resume_point(folder.path(), recipe, data); });
  EXPECT_CONTAINS(message, "none of its checkpoints can be read");
  for (const std::string& file : files) {
    EXPECT_CONTAINS(message, file);
    EXPECT_TRUE(std::filesystem::exists(folder / "checkpoints" / file));
  }
  EXPECT_EQ(read_file(folder / "metrics.csv"), metrics);
}

TEST(Resume, AFullDiskLeavesTheCheckpointBefore) {
  const Dataset data = test::striped_dataset();
  const Recipe recipe = sample_recipe();
  const Outcome whole = uninterrupted(recipe, data);
  const test::TemporaryFolder folder;
  run(folder.path(), recipe, data, {.stopped_at = 21});
  const std::string message = [&] {
    const test::FullDisk full(4000);  // the model fits, a checkpoint with Adam's memory does not
    return message_of<DataError>([&] { resumed(folder.path(), data, 1); });
  }();
  EXPECT_CONTAINS(message, "checkpoints/step-40.safetensors: File too large");
  const ResumePoint point = find_resume_point(folder.path(), recipe, data);
  EXPECT_TRUE(point.notes.empty());
  EXPECT_EQ(point.state()->step, 21U);
  expect_same(resumed(folder.path(), data, 1), whole, "full disk");
}

TEST(Resume, KeepsTheNewestCheckpoints) {
  const Dataset data = test::striped_dataset();
  for (const std::size_t keep : {1U, 2U, 5U}) {
    Recipe recipe = sample_recipe();
    recipe.options.checkpoints = {.every = 2, .keep = keep};
    const test::TemporaryFolder folder;
    run(folder.path(), recipe, data);
    std::size_t files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder / "checkpoints"))
      files += entry.path().extension() == ".safetensors" ? 1 : 2;
    EXPECT_EQ(files, keep);
    EXPECT_TRUE(std::filesystem::exists(folder / "checkpoints/step-45.safetensors"));
  }
}

TEST(Resume, MoreStepsEndAsIfTheyHadBeenWantedAtOnce) {
  const Dataset data = test::striped_dataset();
  Recipe recipe = sample_recipe();
  const test::TemporaryFolder folder;
  run(folder.path(), recipe, data);
  EXPECT_TRUE(find_resume_point(folder.path(), recipe, data).finished);
  recipe.options.steps = 77;
  const ResumePoint point = find_resume_point(folder.path(), recipe, data);
  EXPECT_FALSE(point.finished);
  prepare_to_resume(folder.path(), point);
  EXPECT_TRUE(std::filesystem::exists(folder / "summary.json"));
  { const RunRecorder going_on(folder.path(), recipe, data, point.from()); }
  EXPECT_FALSE(std::filesystem::exists(folder / "summary.json"));
  expect_same(run(folder.path(), recipe, data, {}, point), uninterrupted(recipe, data), "77 steps");
  EXPECT_EQ(read_recipe(folder / "recipe.toml").options.steps, 77U);
}

TEST(Resume, ARunBelongsToOneProcessAtATime) {
  const Dataset data = test::striped_dataset();
  const Recipe recipe = sample_recipe();
  const test::TemporaryFolder folder;
  {
    const RunRecorder first(folder.path(), recipe, data);
    const std::string in_use = folder.path().string() + " is in use by another process";
    EXPECT_EQ(message_of<DataError>([&] { RunRecorder(folder.path(), recipe, data); }), in_use);
    EXPECT_EQ(message_of<DataError>([&] { prepare_to_resume(folder.path(), {}); }), in_use);
  }
  EXPECT_NO_THROW(prepare_to_resume(folder.path(), {}));
  EXPECT_NO_THROW(RunRecorder(folder.path(), recipe, data));
}

TEST(Resume, RefusesOtherData) {
  const Recipe recipe = sample_recipe();
  const Dataset data = test::striped_dataset();
  const test::TemporaryFolder folder;
  run(folder.path(), recipe, data, {.stopped_at = 30});
  EXPECT_TRUE(find_resume_point(folder.path(), recipe, test::striped_dataset()).checkpoint);
  const auto change_input = [](Split& split) { split.images.values().back() ^= 1; };
  const auto change_label = [](Split& split) { split.labels.front() ^= 1; };
  for (Split Dataset::*split : {&Dataset::train, &Dataset::test}) {
    for (int part = 0; part < 2; ++part) {
      Dataset other = data;
      part == 0 ? change_input(other.*split) : change_label(other.*split);
      EXPECT_CONTAINS(
          message_of<InvalidArgument>([&] { find_resume_point(folder.path(), recipe, other); }),
          "the data 'stripes' are not those that the run was trained on");
    }
  }
}

TEST(Resume, RefusesWhatWouldBeAnotherRun) {
  const Dataset data = test::striped_dataset();
  const Recipe recipe = sample_recipe();
  const test::TemporaryFolder folder;
  run(folder.path(), recipe, data, {.stopped_at = 30});
  const auto refusal = [&](auto change) {
    Recipe other = recipe;
    change(other);
    return message_of<InvalidArgument>([&] { find_resume_point(folder.path(), other, data); });
  };
  EXPECT_CONTAINS(refusal([](Recipe& r) { r.options.batch = 10; }), "'batch' differs from what");
  EXPECT_CONTAINS(refusal([](Recipe& r) { r.options.seed = 9; }), "'seed' differs from what");
  EXPECT_CONTAINS(refusal([](Recipe& r) { r.options.optimizer = Sgd{}; }), "'optimizer' differs");
  EXPECT_CONTAINS(refusal([](Recipe& r) { r.network.layers[1] = Relu{}; }), "'layers' differs");
  EXPECT_CONTAINS(refusal([](Recipe& r) { r.options.steps = 29; }),
                  "it has taken 30 steps already, steps is 29");
  EXPECT_EQ(message_of<DataError>([&] { find_resume_point(folder / "none", recipe, data); }),
            "run " + (folder / "none").string() + ": no such folder");

  const test::TemporaryFolder early;  // killed before its first checkpoint
  EXPECT_THROW(run(early.path(), recipe, data, {.thrown_at = 5}), std::runtime_error);
  EXPECT_FALSE(find_resume_point(early.path(), recipe, data).checkpoint);
  Recipe faster = recipe;
  faster.options.optimizer = Adam{.learning_rate = 5.0F};
  EXPECT_CONTAINS(
      message_of<InvalidArgument>([&] { find_resume_point(early.path(), faster, data); }),
      "'optimizer' differs from what the run began with");

  const test::TemporaryFolder other;
  Recipe cosine = recipe;
  cosine.options.schedule = CosineSchedule{};
  run(other.path(), cosine, data, {.stopped_at = 30});
  cosine.options.steps = 60;
  EXPECT_CONTAINS(
      message_of<InvalidArgument>([&] { find_resume_point(other.path(), cosine, data); }),
      "its cosine schedule spans all of the 45 steps; with 60, those taken would have had other "
      "learning rates");
}

}  // namespace
}  // namespace gradatim
