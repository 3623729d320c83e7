#include "support/source_folder.hpp"

namespace gradatim::test {

std::filesystem::path source_folder() { return GRADATIM_SOURCE_DIR; }

}  // namespace gradatim::test
