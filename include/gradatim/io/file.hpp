#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace gradatim {

/// A file that appears under its name whole or not at all: it is written to a temporary beside it,
/// and commit() flushes it to the disk (fsync), renames it and flushes the folder. Until then, and
/// whenever anything fails, what was there before stays, and the temporary is removed.
///
/// Every error is a DataError that names the path and the system's reason.
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path target);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text);
  void commit();

 private:
  [[noreturn]] void fail(int code) const;

  std::filesystem::path target_;
  std::filesystem::path temporary_;
  int descriptor_ = -1;
};

/// An AtomicFile of one write.
void write_file(const std::filesystem::path& path, std::string_view text);

/// Removes what AtomicFiles left in a folder whose process was killed. Only for who has the folder
/// to itself. A folder that is not there has none.
void remove_temporaries(const std::filesystem::path& folder);

/// A whole file. Throws DataError naming the path if it cannot be read, is not a regular file (of
/// a FIFO one may wait for ever) or holds more than max_bytes.
std::string read_file(const std::filesystem::path& path, std::size_t max_bytes = 1U << 24U);

}  // namespace gradatim
