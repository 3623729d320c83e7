#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <span>

#include "core/open_file.hpp"

namespace gradatim::detail {

/// The payload of a file, front to back: its bytes, inflated if its first two bytes are those of
/// gzip. Every member of a gzip file is read, and every checksum verified; what follows the last
/// member is an error. Throws DataError that names the file.
class ByteStream {
 public:
  explicit ByteStream(std::filesystem::path file);
  ~ByteStream();
  ByteStream(const ByteStream&) = delete;
  ByteStream& operator=(const ByteStream&) = delete;

  const std::filesystem::path& file() const { return file_; }
  bool compressed() const { return inflater_ != nullptr; }
  std::uint64_t file_size() const { return file_size_; }
  /// No payload of this file is longer: a byte of deflate stands for at most 1032 bytes
  /// (zlib.net/zlib_tech.html).
  std::uint64_t payload_bound() const { return compressed() ? file_size_ * 1032 : file_size_; }

  /// Fills out; returns fewer than out.size() only at the end of the payload.
  std::size_t read(std::span<std::uint8_t> out);

 private:
  struct Inflater;

  std::size_t read_raw(std::span<std::uint8_t> out);
  std::size_t read_inflated(std::span<std::uint8_t> out);
  bool refill();

  std::filesystem::path file_;
  std::uint64_t file_size_ = 0;
  OpenFile handle_;
  std::unique_ptr<Inflater> inflater_;
};

}  // namespace gradatim::detail
