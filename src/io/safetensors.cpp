#include "gradatim/io/safetensors.hpp"

#include <fmt/format.h>

#include <bit>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "gradatim/core/error.hpp"
#include "gradatim/io/file.hpp"
#include "io/safetensors_header.hpp"
#include "io/text.hpp"

namespace gradatim {
namespace {

static_assert(std::endian::native == std::endian::little, "the format's values are little-endian");

constexpr std::size_t kLengthBytes = 8;
constexpr std::size_t kLongestHeader = 100'000'000;  // the format's own limit

void check_names(std::span<const NamedView> tensors) {
  std::set<std::string_view> names{"__metadata__"};
  for (const NamedView& tensor : tensors)
    if (!names.insert(tensor.name).second)
      throw InvalidArgument(
          fmt::format("safetensors: the name '{}' is taken already", tensor.name));
}

std::string header_text(const Metadata& metadata, std::span<const NamedView> tensors) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::size_t offset = 0;
  for (const NamedView& tensor : tensors) {
    const auto extents = tensor.values.shape().extents();
    const std::size_t end = offset + tensor.values.size() * sizeof(float);
    header[tensor.name] = {{"dtype", "F32"},
                           {"shape", std::vector<std::size_t>(extents.begin(), extents.end())},
                           {"data_offsets", {offset, end}}};
    offset = end;
  }
  try {
    std::string text = header.dump();
    text.resize((text.size() + 7) / 8 * 8, ' ');
    return text;
  } catch (const nlohmann::json::type_error&) {
    throw InvalidArgument("safetensors: a name or metadata string is not UTF-8");
  }
}

// The header's length, held against the format and the bytes there are.
std::size_t checked_header_length(std::span<const std::byte> length_bytes, std::size_t file_size) {
  if (length_bytes.size() < kLengthBytes)
    throw DataError(fmt::format("the file ends after {} bytes, within the header's length",
                                length_bytes.size()));
  std::uint64_t length = 0;
  std::memcpy(&length, length_bytes.data(), kLengthBytes);
  if (length > kLongestHeader)
    throw DataError(
        fmt::format("the header claims {} bytes, at most {} are allowed", length, kLongestHeader));
  if (length > file_size - kLengthBytes)
    throw DataError(fmt::format("the header claims {} bytes, the file has {} left", length,
                                file_size - kLengthBytes));
  return static_cast<std::size_t>(length);
}

// Takes bytes in their order: read(destination) fills a span or throws.
template <class Read>
SafetensorsFile parse(Read read, std::size_t file_size) {
  std::array<std::byte, kLengthBytes> length_bytes{};
  const auto there = std::span(length_bytes).first(std::min(kLengthBytes, file_size));
  read(there);
  std::string text(checked_header_length(there, file_size), '\0');
  read(std::as_writable_bytes(std::span(text)));
  detail::SafetensorsHeader header =
      detail::parse_safetensors_header(text, file_size - kLengthBytes - text.size());

  SafetensorsFile file{.metadata = std::move(header.metadata), .tensors = {}};
  file.tensors.reserve(header.tensors.size());
  for (detail::TensorEntry& entry : header.tensors) {
    Tensor values(entry.shape);
    read(std::as_writable_bytes(values.values()));
    file.tensors.push_back({.name = std::move(entry.name), .values = std::move(values)});
  }
  return file;
}

[[noreturn]] void rethrow_for(std::string_view name, const DataError& error) {
  throw DataError(fmt::format("{}: not a safetensors file: {}", name, error.what()));
}

}  // namespace

void write_safetensors(const std::filesystem::path& path, const Metadata& metadata,
                       std::span<const NamedView> tensors) {
  check_names(tensors);
  const std::string header = header_text(metadata, tensors);
  const std::uint64_t length = header.size();
  AtomicFile file(path);
  file.write(std::as_bytes(std::span(&length, 1)));
  file.write(header);
  for (const NamedView& tensor : tensors) file.write(std::as_bytes(tensor.values.values()));
  file.commit();
}

SafetensorsFile parse_safetensors(std::span<const std::byte> bytes, std::string_view name) {
  try {
    const auto read = [rest = bytes](std::span<std::byte> destination) mutable {
      if (!destination.empty()) std::memcpy(destination.data(), rest.data(), destination.size());
      rest = rest.subspan(destination.size());
    };
    return parse(read, bytes.size());
  } catch (const DataError& error) {
    rethrow_for(name, error);
  }
}

SafetensorsFile read_safetensors(const std::filesystem::path& path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  errno = 0;
  std::ifstream stream(path, std::ios::binary);
  if (error || !stream)
    throw DataError(fmt::format("read {}: {}", path.string(),
                                error ? error.message() : detail::system_message(errno)));
  try {
    const auto read = [&](std::span<std::byte> destination) {
      const auto bytes = static_cast<std::streamsize>(destination.size());
      if (!stream.read(reinterpret_cast<char*>(destination.data()), bytes))
        throw DataError("the file became shorter while it was read");
    };
    return parse(read, static_cast<std::size_t>(size));
  } catch (const DataError& cause) {
    rethrow_for(path.string(), cause);
  }
}

}  // namespace gradatim
