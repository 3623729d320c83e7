#include "gradatim/train/scores.hpp"

namespace gradatim {

TargetKind target_kind(const Loss& loss, const Split& split) {
  if (!split.labels.empty()) return TargetKind::classes;
  return std::holds_alternative<BinaryCrossEntropy>(loss) ? TargetKind::labels : TargetKind::values;
}

std::vector<Figure> figures(TargetKind kind) {
  switch (kind) {
    case TargetKind::labels:
      return {{"f1", &Scores::f1}, {"accuracy", &Scores::accuracy}};
    case TargetKind::values:
      return {{"r2", &Scores::r2}, {"mae", &Scores::mae}, {"mse", &Scores::mse}};
    case TargetKind::classes:
      break;
  }
  return {{"accuracy", &Scores::accuracy}};
}

}  // namespace gradatim
