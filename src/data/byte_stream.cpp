#include "byte_stream.hpp"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <new>
#include <system_error>
#include <utility>
#include <vector>

#include "gradatim/core/error.hpp"

namespace gradatim::detail {
namespace {

constexpr std::size_t kBlock = std::size_t{1} << 18;

[[noreturn]] void fail(const std::filesystem::path& file, std::string_view what) {
  throw DataError(fmt::format("'{}': {}", file.string(), what));
}

[[noreturn]] void fail_errno(const std::filesystem::path& file, std::string_view what) {
  fail(file, fmt::format("{}: {}", what, std::generic_category().message(errno)));
}

std::uint64_t regular_file_size(const std::filesystem::path& file) {
  std::error_code error;
  const auto status = std::filesystem::status(file, error);
  if (status.type() == std::filesystem::file_type::not_found) fail(file, "no such file");
  if (error) fail(file, error.message());
  if (std::filesystem::is_directory(status)) fail(file, "expected a file, got a directory");
  if (!std::filesystem::is_regular_file(status)) fail(file, "expected a regular file");
  const std::uint64_t size = std::filesystem::file_size(file, error);
  if (error) fail(file, error.message());
  return size;
}

}  // namespace

struct ByteStream::Inflater {
  Inflater() {
    constexpr int kGzipOnly = 16 + MAX_WBITS;
    if (inflateInit2(&z, kGzipOnly) != Z_OK) throw std::bad_alloc();
  }
  ~Inflater() { inflateEnd(&z); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  z_stream z{};
  std::vector<std::uint8_t> input = std::vector<std::uint8_t>(kBlock);
  std::size_t members = 0;    // that have ended
  bool inside_member = true;  // false between members
};

ByteStream::ByteStream(std::filesystem::path file)
    : file_(std::move(file)), file_size_(regular_file_size(file_)) {
  handle_.reset(std::fopen(file_.c_str(), "rb"));
  if (!handle_) fail_errno(file_, "cannot open");
  std::setvbuf(handle_.get(), nullptr, _IONBF, 0);  // the blocks read here are large already
  std::array<std::uint8_t, 2> magic{};
  const bool gzip = read_raw(magic) == 2 && magic[0] == 0x1F && magic[1] == 0x8B;
  if (std::fseek(handle_.get(), 0, SEEK_SET) != 0) fail_errno(file_, "cannot rewind");
  if (gzip) inflater_ = std::make_unique<Inflater>();
}

ByteStream::~ByteStream() = default;

std::size_t ByteStream::read(std::span<std::uint8_t> out) {
  return compressed() ? read_inflated(out) : read_raw(out);
}

std::size_t ByteStream::read_raw(std::span<std::uint8_t> out) {
  const std::size_t count = std::fread(out.data(), 1, out.size(), handle_.get());
  if (count < out.size() && std::ferror(handle_.get()) != 0) fail_errno(file_, "cannot read");
  return count;
}

// False at the end of the file.
bool ByteStream::refill() {
  z_stream& z = inflater_->z;
  if (z.avail_in != 0) return true;
  z.next_in = inflater_->input.data();
  z.avail_in = static_cast<uInt>(read_raw(inflater_->input));
  return z.avail_in != 0;
}

std::size_t ByteStream::read_inflated(std::span<std::uint8_t> out) {
  z_stream& z = inflater_->z;
  std::size_t filled = 0;
  while (filled < out.size()) {
    if (!refill()) {
      if (inflater_->inside_member) fail(file_, "the gzip stream is truncated");
      break;
    }
    if (!std::exchange(inflater_->inside_member, true)) inflateReset(&z);
    const auto room = static_cast<uInt>(
        std::min<std::size_t>(out.size() - filled, std::numeric_limits<uInt>::max()));
    z.next_out = out.data() + filled;
    z.avail_out = room;
    const int status = inflate(&z, Z_NO_FLUSH);
    filled += room - z.avail_out;
    if (status == Z_STREAM_END) {
      ++inflater_->members;
      inflater_->inside_member = false;
    } else if (status == Z_MEM_ERROR) {
      throw std::bad_alloc();
    } else if (status != Z_OK) {
      const bool trailing = inflater_->members > 0 && z.total_out == 0;
      fail(file_,
           fmt::format("{}: {}", trailing ? "garbage after the gzip stream" : "damaged gzip stream",
                       z.msg != nullptr ? z.msg : zError(status)));
    }
  }
  return filled;
}

}  // namespace gradatim::detail
