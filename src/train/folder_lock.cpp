#include "gradatim/train/folder_lock.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "gradatim/core/error.hpp"

namespace gradatim {

FolderLock::FolderLock(const std::filesystem::path& folder)
    : descriptor_(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  if (descriptor_ < 0)
    throw DataError(fmt::format("lock the folder {}: {}", folder.string(),
                                std::generic_category().message(errno)));
  if (flock(descriptor_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return;
  close(descriptor_);
  throw DataError(fmt::format("{} is in use by another process", folder.string()));
}

FolderLock::~FolderLock() { close(descriptor_); }

}  // namespace gradatim
