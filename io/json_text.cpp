#include "io/json_text.h"

template class nlohmann::basic_json<>;
template class nlohmann::basic_json<nlohmann::ordered_map>;

namespace sr {

nlohmann::json parse_json(std::string_view text, int64_t max_values,
                          const nlohmann::json::parser_callback_t& keep) {
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
