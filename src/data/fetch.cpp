#include "gradatim/data/fetch.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "download.hpp"
#include "gradatim/core/error.hpp"

namespace gradatim {
namespace {

using std::filesystem::path;

[[noreturn]] void fail(const DatasetEntry& entry, std::string_view what) {
  throw DataError(fmt::format("fetch {}: {}", entry.name, what));
}

// One fetch at a time in a folder, lest two append to the same part. The lock goes with the
// descriptor, also when the process is killed.
class FetchLock {
 public:
  FetchLock(const DatasetEntry& entry, const path& folder)
      : descriptor_(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    if (descriptor_ >= 0 && flock(descriptor_, LOCK_EX | LOCK_NB) == 0) return;
    const int error = errno;
    if (descriptor_ >= 0) close(descriptor_);
    if (error == EWOULDBLOCK)
      fail(entry, fmt::format("another process is fetching into '{}'", folder.string()));
    fail(entry, fmt::format("cannot lock '{}': {}", folder.string(),
                            std::generic_category().message(error)));
  }
  ~FetchLock() { close(descriptor_); }
  FetchLock(const FetchLock&) = delete;
  FetchLock& operator=(const FetchLock&) = delete;

  /// Makes renames within the folder last.
  void sync() const { fsync(descriptor_); }

 private:
  int descriptor_;
};

struct FileFetch {
  const DatasetEntry& entry;
  const FetchOptions& options;
  std::size_t index;
  path target;  // FOLDER/NAME.gz
  path part;    // FOLDER/NAME.gz.part

  const DatasetFile& file() const { return entry.files[index]; }
};

// What is wrong with the payload at `where`, or nothing.
std::string verify(const path& where, const DatasetFile& file) {
  try {
    const std::string got = payload_sha256(where, file.bytes);
    if (got == file.sha256) return "";
    return fmt::format("SHA-256 of the payload: expected {}, got {}", file.sha256, got);
  } catch (const DataError& error) {
    return error.what();
  }
}

detail::Download request_for(const FileFetch& fetch, const std::string& mirror,
                             const std::string& name) {
  const char* separator = mirror.ends_with('/') ? "" : "/";
  detail::Download request{.url = mirror + separator + name,
                           .part = fetch.part,
                           // What does not compress is stored: a little longer than it was.
                           .most_bytes = fetch.file().bytes + fetch.file().bytes / 100 + 4096,
                           .connect_timeout = fetch.options.connect_timeout,
                           .stall_timeout = fetch.options.stall_timeout};
  if (fetch.options.on_progress)
    request.on_progress = [&fetch, name, url = request.url](std::uint64_t received,
                                                            std::uint64_t total) {
      fetch.options.on_progress({.file = name,
                                 .file_index = fetch.index,
                                 .url = url,
                                 .received = received,
                                 .total = total});
    };
  return request;
}

void remove_part(const FileFetch& fetch) {
  std::error_code error;
  std::filesystem::remove(fetch.part, error);
  if (error)
    fail(fetch.entry, fmt::format("cannot remove '{}': {}", fetch.part.string(), error.message()));
}

// The part becomes the file: whoever looks sees all of it or none.
void publish(const FileFetch& fetch) {
  std::error_code error;
  std::filesystem::rename(fetch.part, fetch.target, error);
  if (error)
    fail(fetch.entry, fmt::format("cannot rename '{}': {}", fetch.part.string(), error.message()));
}

// What this mirror did wrong, or nothing: then the part is whole.
std::string try_mirror(const FileFetch& fetch, const std::string& mirror) {
  std::error_code ignored;
  const detail::Download request =
      request_for(fetch, mirror, fmt::format("{}.gz", fetch.file().name));
  const bool resumed = std::filesystem::file_size(fetch.part, ignored) > 0 && !ignored;
  std::string failure = detail::download(request);
  if (!failure.empty()) {
    if (std::filesystem::is_empty(fetch.part, ignored)) remove_part(fetch);
    return failure;
  }
  failure = verify(fetch.part, fetch.file());
  if (failure.empty()) return failure;
  remove_part(fetch);
  // The part may have been the beginning of something else.
  return resumed ? try_mirror(fetch, mirror) : failure;
}

void fetch_file(const FileFetch& fetch) {
  std::vector<std::string> mirrors = fetch.options.mirrors;
  if (mirrors.empty()) mirrors.assign(fetch.entry.mirrors.begin(), fetch.entry.mirrors.end());
  std::vector<std::string> failures;
  for (std::size_t round = 0; round < fetch.options.rounds; ++round)
    for (const std::string& mirror : mirrors) {
      std::string failure = try_mirror(fetch, mirror);
      if (failure.empty()) return publish(fetch);
      failure = fmt::format("{}: {}", mirror, failure);
      if (std::ranges::find(failures, failure) == failures.end())
        failures.push_back(std::move(failure));
    }
  fail(fetch.entry,
       fmt::format("no mirror delivered {}.gz: {}", fetch.file().name, fmt::join(failures, "; ")));
}

bool is_whole(const path& target, const DatasetFile& file) {
  std::error_code ignored;
  return std::filesystem::exists(target, ignored) && verify(target, file).empty();
}

}  // namespace

void fetch(const DatasetEntry& entry, const path& folder, const FetchOptions& options) {
  if (options.rounds == 0)
    throw InvalidArgument("fetch: expected at least one round of the mirrors, got 0");
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error)
    fail(entry, fmt::format("cannot make the folder '{}': {}", folder.string(), error.message()));
  const FetchLock lock(entry, folder);
  for (std::size_t index = 0; index < kDatasetFiles; ++index) {
    const path target = folder / fmt::format("{}.gz", entry.files[index].name);
    if (is_whole(target, entry.files[index])) continue;
    fetch_file({.entry = entry,
                .options = options,
                .index = index,
                .target = target,
                .part = target.string() + ".part"});
    lock.sync();
  }
}

}  // namespace gradatim
