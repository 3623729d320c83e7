#pragma once

#include <string>
#include <vector>

#include "gradatim/train/model_file.hpp"

namespace gradatim::app {

struct RowsCommand {
  std::string run;
  std::vector<std::string> tables;  // CSV files with a header
  std::string row;                  // values in the order of the model's features, instead
  bool json = false;
};

/// `gradatim predict` for a network on features: a line for each row.
int predict_rows(const Model& model, const RowsCommand& command);

}  // namespace gradatim::app
