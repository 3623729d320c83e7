#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "gradatim/data/catalogue.hpp"

namespace gradatim {

/// The SHA-256 of a file's payload (inflated if it is gzip), lower-case hexadecimal. Throws
/// DataError for a file that cannot be read or inflated, or whose payload exceeds `most_bytes`.
std::string payload_sha256(const std::filesystem::path& file, std::uint64_t most_bytes);

struct FetchProgress {
  std::string_view file;       // "train-images-idx3-ubyte.gz"
  std::size_t file_index = 0;  // of kDatasetFiles
  std::string_view url;
  std::uint64_t received = 0;  // bytes of this file, those of an earlier attempt included
  std::uint64_t total = 0;     // 0 while unknown
};

struct FetchOptions {
  std::vector<std::string>
      mirrors{};           // instead of the entry's: http or https, folders of the files
  std::size_t rounds = 2;  // how often the list of mirrors is gone through
  std::chrono::seconds connect_timeout{15};
  std::chrono::seconds stall_timeout{30};  // without a byte
  /// Called a few times a second. What it throws ends the fetch and is passed on; the download is
  /// resumed next time.
  std::function<void(const FetchProgress&)> on_progress{};
};

/// Downloads the files of a dataset into `folder` (made if absent), as NAME.gz. A file that is
/// there and whole is left alone. Each is downloaded to NAME.gz.part, which a later attempt resumes
/// (HTTP Range), from the first mirror that delivers it; the SHA-256 of its payload is verified,
/// and only then does it get its name, in one step. A download with another hash is deleted.
///
/// libcurl obeys the proxy variables of the environment. Throws DataError: what each mirror did,
/// with the hashes expected and got; or that the folder cannot be written; or that another process
/// is fetching into it. Throws InvalidArgument if options.rounds is 0.
void fetch(const DatasetEntry& entry, const std::filesystem::path& folder,
           const FetchOptions& options = {});

}  // namespace gradatim
