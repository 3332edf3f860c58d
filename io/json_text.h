// JSON from files that may be damaged or hostile.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string_view>

// Compiled once, in json_text.cpp: with the sanitizers' checks half of what a source that uses them takes.
extern template class nlohmann::basic_json<>;
extern template class nlohmann::basic_json<nlohmann::ordered_map>;

namespace sr {

/// Parses a text. A discarded value if it is no JSON, is nested deeper than 64, or has more than `max_values`
/// values: each takes up to about 100 bytes once it is parsed. `keep` may drop values as they are read.
nlohmann::json parse_json(std::string_view text, int64_t max_values = 2'000'000,
                          const nlohmann::json::parser_callback_t& keep = nullptr);

}  // namespace sr
