#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

/// Each file of this folder that is named as a subcommand adds it here. A command runs while the
/// command line is parsed, prints to stdout, and sets exit_code; it throws gradatim::Error for main
/// to report.
namespace gradatim::app {

void add_train_command(CLI::App& app, int& exit_code);
void add_eval_command(CLI::App& app, int& exit_code);
void add_check_command(CLI::App& app, int& exit_code);
void add_predict_command(CLI::App& app, int& exit_code);
void add_derive_command(CLI::App& app, int& exit_code);
/// Of the arguments of `derive`, a formula such as -x^2 goes last, after --: CLI11 would take it
/// for an option.
void put_formula_last(const CLI::App& app, std::vector<std::string>& arguments);
/// data list | info NAME | fetch NAME
void add_data_command(CLI::App& app, int& exit_code);
void add_search_command(CLI::App& app, int& exit_code);
void add_doctor_command(CLI::App& app, int& exit_code);

}  // namespace gradatim::app
