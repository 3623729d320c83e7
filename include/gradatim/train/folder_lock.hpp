#pragma once

#include <filesystem>

namespace gradatim {

/// Keeps a folder to one process, and one holder within it, until it is destroyed or the process
/// ends, however it ends. A file system that has no locks grants everything.
class FolderLock {
 public:
  /// Throws DataError that names the folder if another holds it, or it can't be opened.
  explicit FolderLock(const std::filesystem::path& folder);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int descriptor_;
};

}  // namespace gradatim
