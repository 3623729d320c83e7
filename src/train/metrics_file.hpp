#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "gradatim/io/csv.hpp"
#include "gradatim/train/curves.hpp"
#include "gradatim/train/train.hpp"

namespace gradatim::detail {

/// metrics.csv of a run: a row a step, with scores where it was evaluated.
class MetricsFile {
 public:
  struct Columns {
    std::vector<Figure> figures;
    bool validation = false;  // with a loss of its own
  };
  /// Goes on behind the first `kept` bytes; from the beginning if that is 0.
  MetricsFile(const std::filesystem::path& path, const Columns& columns, std::uint64_t kept);

  /// `epoch` is null where the step was not evaluated.
  void write(const StepRecord& step, const EpochRecord* epoch);
  void flush() { csv_.flush(); }
  void sync() { csv_.sync(); }
  std::uint64_t bytes() const { return csv_.bytes(); }

 private:
  Columns columns_;
  CsvWriter csv_;
};

/// What the first `bytes` bytes of such a file say, added to the curves. Throws DataError if they
/// are not what MetricsFile writes.
void read_metrics(const std::filesystem::path& path, const MetricsFile::Columns& columns,
                  std::uint64_t bytes, std::size_t epoch_steps, LossCurve& loss,
                  std::vector<ScorePoint>& scores);

}  // namespace gradatim::detail
