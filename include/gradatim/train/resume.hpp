#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "gradatim/train/checkpoint.hpp"
#include "gradatim/train/recipe.hpp"

namespace gradatim {

/// Where a run can go on.
struct ResumePoint {
  std::optional<StoredCheckpoint> checkpoint;  // none: from the beginning
  bool finished = false;                       // nothing is left to do
  std::vector<std::string> notes;              // checkpoints that are damaged, a line each

  const Checkpoint* from() const { return checkpoint ? &checkpoint->checkpoint : nullptr; }
  const TrainState* state() const { return checkpoint ? &checkpoint->checkpoint.state : nullptr; }
};

/// For the run of a folder with `recipe`, which is its own (recipe.toml) or one that differs in
/// `steps`, `checkpoints`, name and description only, and is resolved. Another number of steps is
/// refused if the run has taken more already, or if its schedule spans all steps: the ones that
/// were taken would have been others. Throws InvalidArgument that says what differs; DataError if
/// the folder is no run. Changes nothing.
ResumePoint find_resume_point(const std::filesystem::path& folder, const Recipe& recipe);

/// Removes what an interrupted process left behind, the damaged checkpoints, and summary.json: from
/// now on the run is not complete.
void prepare_to_resume(const std::filesystem::path& folder);

}  // namespace gradatim
