#include "io/safetensors_header.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "gradatim/core/error.hpp"
#include "io/text.hpp"

namespace gradatim::detail {
namespace {

using nlohmann::json;

constexpr std::string_view kMetadataKey = "__metadata__";
constexpr std::size_t kLongestList = 64;  // far more extents than anything has

struct RawEntry {
  std::string name;
  std::optional<std::string> type;
  std::optional<std::vector<std::size_t>> shape;
  std::optional<std::vector<std::size_t>> offsets;
};

// Takes the events of the JSON parser and keeps what the format allows; anything else throws at
// once, so that a hostile header costs no more memory than its own length. nlohmann's parser keeps
// one bit a nesting level and doesn't recurse.
class HeaderReader final : public nlohmann::json_sax<json> {
 public:
  std::vector<RawEntry> entries;
  Metadata metadata;

  bool null() override { refuse("null"); }
  bool boolean(bool) override { refuse("a boolean"); }
  bool number_float(json::number_float_t, const std::string& text) override {
    refuse(fmt::format("the number {}", in_quotes(text)));
  }
  bool number_integer(json::number_integer_t value) override {
    refuse(fmt::format("the number {}", value));
  }
  bool binary(json::binary_t&) override { refuse("binary data"); }

  bool number_unsigned(json::number_unsigned_t value) override {
    if (list_ == nullptr || list_->size() == kLongestList)
      refuse(fmt::format("the number {}", value));
    list_->push_back(static_cast<std::size_t>(value));
    return true;
  }

  bool string(std::string& value) override {
    if (place_ == Place::metadata) {
      if (!metadata.emplace(key_, value).second)
        throw DataError(fmt::format("metadata {}: given twice", in_quotes(key_)));
    } else if (place_ == Place::entry && list_ == nullptr && key_ == "dtype") {
      entries.back().type = value;
    } else {
      refuse("a string");
    }
    return true;
  }

  bool key(std::string& value) override {
    key_ = value;
    if (place_ == Place::top && !names_.insert(value).second)
      throw DataError(fmt::format("{}: given twice", in_quotes(value)));
    if (place_ == Place::entry) check_member();
    return true;
  }

  bool start_object(std::size_t) override {
    if (place_ == Place::outside) {
      place_ = Place::top;
    } else if (place_ != Place::top || list_ != nullptr) {
      refuse("an object");
    } else if (key_ == kMetadataKey) {
      place_ = Place::metadata;
    } else {
      place_ = Place::entry;
      entries.push_back({.name = key_, .type = {}, .shape = {}, .offsets = {}});
    }
    return true;
  }

  bool end_object() override {
    place_ = place_ == Place::top ? Place::outside : Place::top;
    return true;
  }

  bool start_array(std::size_t) override {
    if (place_ != Place::entry || list_ != nullptr) refuse("an array");
    if (key_ == "shape") {
      list_ = &entries.back().shape.emplace();
    } else if (key_ == "data_offsets") {
      list_ = &entries.back().offsets.emplace();
    } else {
      refuse("an array");
    }
    return true;
  }

  bool end_array() override {
    list_ = nullptr;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    throw DataError(fmt::format("the header is not JSON at its byte {}", position));
  }

 private:
  enum class Place { outside, top, metadata, entry };

  [[noreturn]] void refuse(std::string_view what) const {
    if (place_ == Place::outside)
      throw DataError(fmt::format("the header must be an object, got {}", what));
    const std::string in =
        place_ == Place::entry ? fmt::format("tensor {}, ", in_quotes(entries.back().name)) : "";
    throw DataError(fmt::format("{}{}: unexpected {}", in, in_quotes(key_), what));
  }

  void check_member() const {
    const RawEntry& entry = entries.back();
    const bool known = key_ == "dtype" || key_ == "shape" || key_ == "data_offsets";
    const bool twice = (key_ == "dtype" && entry.type) || (key_ == "shape" && entry.shape) ||
                       (key_ == "data_offsets" && entry.offsets);
    if (!known || twice)
      throw DataError(fmt::format("tensor {}: {} {}", in_quotes(entry.name),
                                  known ? "given twice:" : "unknown member", in_quotes(key_)));
  }

  Place place_ = Place::outside;
  std::string key_;
  std::vector<std::size_t>* list_ = nullptr;
  std::set<std::string, std::less<>> names_;
};

Shape checked_shape(const std::string& name, std::span<const std::size_t> extents,
                    std::size_t bytes) {
  Shape shape;
  try {
    shape = Shape(extents);
  } catch (const ShapeError& error) {  // too many extents, or a product that overflows
    throw DataError(fmt::format("tensor {}: {}", name, error.what()));
  }
  if (bytes % sizeof(float) != 0 || shape.size() != bytes / sizeof(float))
    throw DataError(fmt::format("tensor {}: shape {} does not fit its {} bytes", name,
                                shape.to_string(), bytes));
  return shape;
}

TensorEntry checked_entry(const RawEntry& raw, std::size_t data_size) {
  const std::string name = in_quotes(raw.name);
  if (!raw.type || !raw.shape || !raw.offsets)
    throw DataError(fmt::format("tensor {}: expected dtype, shape and data_offsets", name));
  if (*raw.type != "F32")
    throw DataError(
        fmt::format("tensor {}: expected dtype F32, got {}", name, in_quotes(*raw.type)));
  const auto& offsets = *raw.offsets;
  if (offsets.size() != 2 || offsets[0] > offsets[1] || offsets[1] > data_size)
    throw DataError(fmt::format("tensor {}: data_offsets [{}] are not a range of the {} data bytes",
                                name, fmt::join(offsets, ", "), data_size));
  return {.name = raw.name,
          .shape = checked_shape(name, *raw.shape, offsets[1] - offsets[0]),
          .begin = offsets[0],
          .end = offsets[1]};
}

void check_that_tensors_fill(std::span<const TensorEntry> sorted, std::size_t data_size) {
  std::size_t filled = 0;
  for (const TensorEntry& entry : sorted) {
    if (entry.begin != filled)
      throw DataError(fmt::format("tensor {}: its data start at {}, expected {} ({})",
                                  in_quotes(entry.name), entry.begin, filled,
                                  entry.begin < filled ? "an overlap" : "a gap"));
    filled = entry.end;
  }
  if (filled != data_size)
    throw DataError(
        fmt::format("the tensors need {} data bytes, the file has {}", filled, data_size));
}

}  // namespace

SafetensorsHeader parse_safetensors_header(std::string_view text, std::size_t data_size) {
  HeaderReader reader;
  json::sax_parse(text, &reader);
  SafetensorsHeader header{.metadata = std::move(reader.metadata), .tensors = {}};
  for (const RawEntry& raw : reader.entries)
    header.tensors.push_back(checked_entry(raw, data_size));
  std::stable_sort(header.tensors.begin(), header.tensors.end(), [](const auto& a, const auto& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  check_that_tensors_fill(header.tensors, data_size);
  return header;
}

}  // namespace gradatim::detail
