#pragma once

#include "gradatim/train/run_folder.hpp"

namespace gradatim {

RunSummary summarize(const Recipe& recipe, const std::vector<Figure>& figures,
                     const TrainResult& result, const std::filesystem::path& folder);

}  // namespace gradatim
