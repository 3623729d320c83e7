#pragma once

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>

#include "gradatim/core/tensor.hpp"

namespace gradatim::test {

inline std::string list(const Shape& shape) {
  std::string text;
  for (std::size_t axis = 0; axis < shape.rank(); ++axis)
    text += fmt::format("{}{}", axis == 0 ? "" : ", ", shape[axis]);
  return "[" + text + "]";
}

/// Writes cases.json, which describes the cases, and values.bin, their tensors as float32 one after
/// the other, for torch_cases.py.
class TorchCaseWriter {
 public:
  explicit TorchCaseWriter(const std::filesystem::path& folder)
      : index_(folder / "cases.json"), values_(folder / "values.bin", std::ios::binary) {
    index_ << "[\n";
  }
  ~TorchCaseWriter() { index_ << "\n]\n"; }

  void begin(std::string_view type, std::string_view kind, const std::string& options) {
    index_ << (first_ ? "" : ",\n")
           << fmt::format(R"({{"type": "{}", "kind": "{}", "options": {{{}}}, "tensors": {{)", type,
                          kind, options);
    first_ = false;
    separator_ = "";
  }
  void tensor(std::string_view name, std::span<const float> values, const Shape& shape) {
    index_ << separator_
           << fmt::format(R"("{}": {{"offset": {}, "shape": {}}})", name, offset_, list(shape));
    values_.write(reinterpret_cast<const char*>(values.data()),  // NOLINT
                  static_cast<std::streamsize>(values.size_bytes()));
    offset_ += values.size();
    separator_ = ", ";
  }
  void tensor(std::string_view name, const Tensor& x) { tensor(name, x.values(), x.shape()); }
  void end() { index_ << "}}"; }

 private:
  std::ofstream index_;
  std::ofstream values_;
  std::size_t offset_ = 0;
  bool first_ = true;
  const char* separator_ = "";
};

}  // namespace gradatim::test
