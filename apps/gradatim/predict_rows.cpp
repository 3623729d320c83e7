#include "predict_rows.hpp"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "answers.hpp"
#include "exit_codes.hpp"
#include "gradatim/core/error.hpp"
#include "gradatim/core/kernels.hpp"
#include "gradatim/data/table.hpp"
#include "json.hpp"
#include "text.hpp"

namespace gradatim::app {
namespace {

using Json = nlohmann::ordered_json;

// A row without a header: its columns are the model's features.
TextTable table_of_row(const Model& model, const std::string& row) {
  TextTable table{.name = "--row", .columns = {}, .cells = {}, .lines = {1}};
  for (const Column& feature : model.columns.features) table.columns.push_back(feature.name);
  std::string_view rest = row;
  for (bool more = true; more;) {
    const std::size_t comma = rest.find(',');
    table.cells.emplace_back(rest.substr(0, comma));
    more = comma != std::string_view::npos;
    if (more) rest.remove_prefix(comma + 1);
  }
  if (table.cells.size() != table.columns.size())
    throw InvalidArgument(
        fmt::format("--row: expected {} values, got {}", table.columns.size(), table.cells.size()));
  return table;
}

float shown_value(const Model& model, float output) {
  return model.kind == TargetKind::labels ? 1 / (1 + std::exp(-output)) : output;
}

// Values of the outputs by name: probabilities for labels and classes.
Json prediction(const Model& model, std::span<const float> outputs) {
  const auto name = [&model](std::size_t k) {
    return model.kind == TargetKind::classes ? class_name(model.class_names, k)
                                             : one_line(model.columns.targets[k].name);
  };
  Json values = Json::object();
  for (std::size_t k = 0; k < outputs.size(); ++k) values[name(k)] = shown_value(model, outputs[k]);
  if (model.kind != TargetKind::classes) return {{"values", values}};
  const std::size_t best = kernels::argmax(outputs);
  return {{"class", name(best)}, {"probability", outputs[best]}, {"probabilities", values}};
}

void print(const std::string& place, const Json& prediction) {
  fmt::print("{}:", place);
  if (prediction.contains("class"))
    fmt::print(" {} {:.4f}", prediction["class"].get<std::string>(),
               prediction["probability"].get<float>());
  else
    for (const auto& [name, value] : prediction["values"].items())
      fmt::print(" {} {:.6g}", name, value.get<float>());
  fmt::print("\n");
}

Tensor outputs_of(const std::string& run, const Model& model, const TextTable& table) {
  Tensor features = features_of(table, model.columns.features);
  apply_scaling(model.columns.features, features.view());
  Tensor outputs = answers(run, model, features.view());
  if (model.kind == TargetKind::values) undo_scaling(model.columns.targets, outputs.view());
  return outputs;
}

}  // namespace

int predict_rows(const Model& model, const RowsCommand& command) {
  if (command.tables.empty() == command.row.empty())
    throw InvalidArgument("predict: expected CSV files, or a --row");
  std::vector<TextTable> tables;
  tables.reserve(command.tables.size() + 1);
  for (const std::string& file : command.tables) tables.push_back(read_table(file));
  if (!command.row.empty()) tables.push_back(table_of_row(model, command.row));
  Json predictions = Json::array();
  for (const TextTable& table : tables) {
    const Tensor outputs = outputs_of(command.run, model, table);
    for (std::size_t row = 0; row < table.rows(); ++row) {
      Json one{{"table", table.name}, {"row", row + 1}, {"line", table.lines[row]}};
      one.update(prediction(model, outputs.view().row(row)));
      if (command.json)
        predictions.push_back(one);
      else
        print(command.row.empty() ? fmt::format("{}:{}", table.name, table.lines[row]) : table.name,
              one);
    }
  }
  if (command.json)
    fmt::print("{}\n", json_line({{"run", command.run}, {"predictions", predictions}}));
  return kDone;
}

}  // namespace gradatim::app
