// --value_range of the programs.
#pragma once

#include <charconv>
#include <string>
#include <vector>

#include "idn/value_ranges.h"
#include "tensor/error.h"

namespace sr {

/// Two for each band that a TIFF can have.
constexpr int kMostNumbers = 2 * 65535;

/// LOW,HIGH for all bands or LOW,HIGH,LOW,HIGH,... for each, split at the commas. Errors: usage.
inline ValueRanges ranges_of_option(const std::vector<std::string>& words) {
  std::vector<double> numbers(words.size());
  std::string all;
  bool good = true;
  for (size_t i = 0; i < words.size(); ++i) {
    all += (i > 0 ? "," : "") + words[i];
    const char* const end = words[i].data() + words[i].size();
    const auto [rest, error] = std::from_chars(words[i].data(), end, numbers[i]);
    good = good && error == std::errc() && rest == end;
  }
  try {
    if (good) return ranges_from(numbers);
  } catch (const Error&) {  // the option's own line says more
  }
  throw Error(Error::Kind::usage, "--value_range ", all,
              ": want LOW,HIGH, the lower first, or LOW,HIGH,LOW,HIGH,... with a pair for each band");
}

}  // namespace sr
