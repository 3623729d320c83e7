#pragma once

#include <cstdio>
#include <memory>

namespace gradatim::detail {

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

/// Closed with it.
using OpenFile = std::unique_ptr<std::FILE, CloseFile>;

}  // namespace gradatim::detail
