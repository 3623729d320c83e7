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
  bool early_stopped = false;                  // and more steps would change nothing
  bool at_schedules_end = false;               // and more steps would have another schedule
  std::vector<std::filesystem::path> damaged;  // checkpoints, newer than that
  std::vector<std::string> notes;              // why, a line each

  const Checkpoint* from() const { return checkpoint ? &checkpoint->checkpoint : nullptr; }
  const TrainState* state() const { return checkpoint ? &checkpoint->checkpoint.state : nullptr; }
};

/// For the run of a folder with `recipe`, which is its own (recipe.toml) or one that differs in
/// `steps`, `checkpoints`, name and description only, and is resolved. Another number of steps is
/// refused if the run has taken more already, or if its schedule spans all steps: the ones that
/// were taken would have been others. So are `data` that are not those of the checkpoint. Throws
/// InvalidArgument that says what differs; DataError if the folder is no run, or has checkpoints of
/// which none can be read: a run is never begun anew over them. Changes nothing.
ResumePoint find_resume_point(const std::filesystem::path& folder, const Recipe& recipe,
                              const Dataset& data);

/// Removes the temporary files that an interrupted process left behind, and renames the damaged
/// checkpoints of `point` to *.damaged. Throws DataError if another process is at work on the run.
void prepare_to_resume(const std::filesystem::path& folder, const ResumePoint& point);

}  // namespace gradatim
