#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "gradatim/data/dataset.hpp"
#include "gradatim/train/state.hpp"

namespace gradatim {

/// What a run folder must know to go on with a training.
struct Checkpoint {
  std::string recipe;               // TOML, resolved
  std::string data_sha256;          // of what it is trained on: see data_sha256()
  std::uint64_t metrics_bytes = 0;  // of metrics.csv, without the row of state.step
  TrainState state;
};

/// SHA-256 of all samples of a data set, inputs and targets, as training gets them, and of its
/// columns: scaled, other data can be the same.
std::string data_sha256(const Dataset& data);

/// Writes FOLDER/step-N.safetensors (the folder is made if it is absent), whole or not at all, and
/// then removes all but the newest `keep`. The file holds a SHA-256 of its contents. Throws
/// DataError that names the file.
void save_checkpoint(const std::filesystem::path& folder, const Checkpoint& checkpoint,
                     std::size_t keep);

/// A checkpoint as a file holds it; the state's tensors are `tensors`.
struct StoredCheckpoint {
  Checkpoint checkpoint;
  std::vector<NamedTensor> tensors;
};

/// Throws DataError naming the file unless it is whole and its contents are those it was written
/// with.
StoredCheckpoint load_checkpoint(const std::filesystem::path& file);

struct CheckpointSearch {
  std::optional<StoredCheckpoint> newest;      // of those that are good
  std::vector<std::filesystem::path> damaged;  // newer than that
  std::vector<std::string> reasons;            // why, for each of them
};
/// Looks through a folder, which may be absent, from the newest checkpoint on.
CheckpointSearch find_checkpoint(const std::filesystem::path& folder);

}  // namespace gradatim
