#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

namespace gradatim::detail {

struct Download {
  std::string url;
  std::filesystem::path part;    // appended to: what it holds already is not asked for again
  std::uint64_t most_bytes = 0;  // a server that sends more is cut off
  std::chrono::seconds connect_timeout{15};
  std::chrono::seconds stall_timeout{30};
  std::function<void(std::uint64_t received, std::uint64_t total)> on_progress{};
};

/// Returns what the server did wrong, or nothing if the download is complete. Whatever came stays
/// in the part. Throws DataError if the part cannot be written, and what on_progress throws.
std::string download(const Download& request);

}  // namespace gradatim::detail
