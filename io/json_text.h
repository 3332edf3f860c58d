// JSON from files that may be damaged or hostile.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string_view>

namespace sr {

/// Parses a text. A discarded value if it is no JSON, is nested deeper than 64, or has more than `max_values`
/// values: each takes up to about 100 bytes once it is parsed. `keep` may drop values as they are read.
inline nlohmann::json parse_json(std::string_view text, int64_t max_values = 2'000'000,
                                 const nlohmann::json::parser_callback_t& keep = nullptr) {
  constexpr int kMaxDepth = 64;
  // Depth and number are bounded by a look at the brackets and commas: the parser itself bounds neither.
  int depth = 0;
  int64_t values = 0;
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted && c == '\\') ++i;
    if (c == '"') quoted = !quoted;
    if (quoted) continue;
    if (c == '[' || c == '{') ++depth;
    if (c == ']' || c == '}') --depth;
    if (c == '[' || c == '{' || c == ',') ++values;
    if (depth > kMaxDepth || values > max_values) return nlohmann::json(nlohmann::json::value_t::discarded);
  }
  return nlohmann::json::parse(text, keep, false);
}

}  // namespace sr
