#include "train/recipe_writer.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

#include "gradatim/core/error.hpp"

namespace gradatim {
namespace detail {

std::string as_utf8(std::string_view text) {
  const auto replace = nlohmann::json::error_handler_t::replace;
  return nlohmann::json::parse(nlohmann::json(text).dump(-1, ' ', false, replace));
}

std::string toml_text(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : as_utf8(text)) {
    const auto code = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (code < 0x20 || code == 0x7F) {
      quoted += fmt::format("\\u{:04X}", code);
    } else {
      quoted += c;
    }
  }
  return quoted + '"';
}

std::string toml_text(float value) {
  std::string text = fmt::format("{}", value);
  return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
}

std::string toml_text(std::uint64_t value) { return fmt::format("{}", value); }

std::string toml_text(const Shape& shape) {
  return fmt::format("[{}]", fmt::join(shape.extents(), ", "));
}

std::string toml_text(const std::vector<Layer>& layers) {
  std::string text = "[\n";
  for (const Layer& layer : layers) text += "  " + toml_text(layer) + ",\n";
  return text + "]";
}

void RecipeWriter::refuse(std::string_view why) const {
  throw InvalidArgument(fmt::format("recipe: {}", why));
}

std::string toml_text(const std::vector<std::string>& texts) {
  std::vector<std::string> quoted;
  quoted.reserve(texts.size());
  for (const std::string& text : texts) quoted.push_back(toml_text(std::string_view(text)));
  return fmt::format("[{}]", fmt::join(quoted, ", "));
}

std::string toml_text(const std::vector<float>& values) {
  std::vector<std::string> texts;
  texts.reserve(values.size());
  for (const float value : values) texts.push_back(toml_text(value));
  return fmt::format("[{}]", fmt::join(texts, ", "));
}

}  // namespace detail

std::string to_toml(const Recipe& recipe) {
  detail::RecipeWriter writer;
  Recipe copy = recipe;
  detail::describe(writer, copy);
  return writer.joined("\n") + "\n";
}

std::string to_toml(const Network& network) {
  detail::RecipeWriter writer;
  Network copy = network;
  detail::describe(writer, copy);
  return writer.joined("\n") + "\n";
}

}  // namespace gradatim
