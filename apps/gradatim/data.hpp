#pragma once

namespace CLI {
class App;
}

namespace gradatim::app {

/// Adds `data list | info NAME | fetch NAME`. The one that is chosen runs while the command line is
/// parsed, prints, and sets exit_code; it throws gradatim::Error for main to report.
void add_data_command(CLI::App& app, int& exit_code);

}  // namespace gradatim::app
