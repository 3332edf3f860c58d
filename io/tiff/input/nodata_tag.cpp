#include "io/tiff/input/nodata_tag.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <sstream>
#include <type_traits>

namespace sr {
namespace {

// As CPLAtofM: strtod with a comma or a point, and the names that Microsoft's library has for NaN and
// infinity. Programs of ours never leave the locale "C".
double number_of(std::string text) {
  const bool minus = text.starts_with('-');
  for (const char* nan : {"1.#QNAN", "1.#SNAN", "1.#IND"})
    if (text.find(nan) == (minus ? 1 : 0)) return std::numeric_limits<double>::quiet_NaN();
  if (text.find("1.#INF") == (minus ? 1 : 0)) return minus ? -HUGE_VAL : HUGE_VAL;
  const size_t mark = text.find_first_of(",.");
  if (mark != std::string::npos) text[mark] = '.';
  return std::strtod(text.c_str(), nullptr);
}

bool is_number(const std::string& text) {
  const size_t first = text.find_first_not_of(" \t\r\n+-");
  if (first == std::string::npos) return false;
  const std::string head = text.substr(first, 3);
  const auto is = [&](const char* word) {
    return std::equal(head.begin(), head.end(), word, word + 3, [](char a, char b) { return (a | 32) == b; });
  };
  return (head[0] >= '0' && head[0] <= '9') || head[0] == '.' || is("nan") || is("inf");
}

// What a sample of the type must be to be hidden.
std::optional<double> as_sample(double value, SampleType type) {
  return with_sample_type(type, [&](auto zero) -> std::optional<double> {
    using T = decltype(zero);
    if constexpr (std::is_same_v<T, float>) {
      constexpr double kHalfAStepBeyond = 0x1.ffffffp127;  // from there on the nearest float is infinity
      if (std::abs(value) >= kHalfAStepBeyond) return std::copysign(HUGE_VAL, value);
      return static_cast<double>(static_cast<float>(value));
    } else if constexpr (std::is_same_v<T, double>) {
      return value;
    } else {
      const bool fits = value >= std::numeric_limits<T>::min() && value <= std::numeric_limits<T>::max();
      return fits ? std::optional(std::trunc(value)) : std::nullopt;  // NaN does not fit
    }
  });
}

// GDAL rounds and clamps where it fills a block.
double fill_of(double value, SampleType type) {
  return with_sample_type(type, [&](auto zero) -> double {
    using T = decltype(zero);
    if constexpr (std::is_floating_point_v<T>) return as_sample(value, type).value_or(value);
    return std::isnan(value) ? 0 : static_cast<double>(to_sample<T>(value));
  });
}

}  // namespace

NodataTag nodata_of_tag(const std::string& text, const SampleCoding& coding) {
  if (text.empty()) return {};
  const double value = number_of(text);
  const std::string quoted = "its nodata value '" + text.substr(0, 40) + "'";
  NodataTag tag{as_sample(value, coding.type), text, fill_of(value, coding.type)};
  if (!is_number(text)) tag.note = quoted + " is not a number; GDAL takes it for 0, and so is it taken here";
  const bool few_bits = coding.bits < 8 && !coding.codes;
  const double largest = std::exp2(std::min(coding.bits, 16)) - 1;
  if (few_bits || !coding.palette.empty()) tag.fill = std::clamp(tag.fill, 0.0, largest);
  if (!coding.palette.empty()) {
    if (tag.nodata && *tag.nodata <= largest)
      tag.hidden_index = static_cast<uint32_t>(*tag.nodata);
    else
      tag.note = quoted + " hides nothing: it is no entry of the palette";
    tag.nodata.reset(), tag.text = "";
  } else if (!tag.nodata) {
    tag.note = quoted + " hides nothing: no sample of " + std::to_string(coding.bits) + " bits (" +
               name_of(coding.type) + ") can hold it; it is carried over";
  } else if (few_bits && *tag.nodata > largest) {
    tag.note = quoted + " is ignored: no sample of " + std::to_string(coding.bits) +
               " bits can hold it, and the result's of 8 bits could";
    tag.nodata.reset(), tag.text = "";
  } else if (few_bits) {
    tag.nodata = scaled_to_u8(static_cast<uint32_t>(*tag.nodata), coding.bits);
    tag.text = std::to_string(static_cast<int>(*tag.nodata));
    tag.fill = scaled_to_u8(static_cast<uint32_t>(tag.fill), coding.bits);
  }
  return tag;
}

std::vector<double> nodata_values(const std::string& gdal_metadata, int bands, SampleType type) {
  const std::string item = "<Item name=\"NODATA_VALUES\">";
  const size_t start = gdal_metadata.find(item);
  if (start == std::string::npos) return {};
  std::istringstream words(
      gdal_metadata.substr(start + item.size(), gdal_metadata.find('<', start + 1) - start - item.size()));
  std::vector<double> values;
  for (std::string word; words >> word;) {
    const std::optional<double> sample = as_sample(number_of(word), type);
    if (!sample || !std::isfinite(*sample)) return {};
    values.push_back(*sample);
  }
  return values.size() == static_cast<size_t>(bands) ? values : std::vector<double>();
}

std::optional<HalfNodata> half_nodata(const SampleCoding& coding, std::optional<double> nodata) {
  if (!coding.half_float || !nodata || !std::isfinite(*nodata)) return {};
  // Halves are ordered as their bits: the last that is not above the magnitude, or the next one.
  const double magnitude = std::abs(*nodata);
  int low = 0, high = 0x7c00;  // infinity, which begins half a step beyond the largest half
  const auto value = [](int bits) {
    return bits == 0x7c00 ? 65536.0 : double{half_to_float(static_cast<uint16_t>(bits))};
  };
  while (low + 1 < high) {
    const int middle = (low + high) / 2;
    (value(middle) <= magnitude ? low : high) = middle;
  }
  const auto declared = static_cast<float>(*nodata);
  const auto stored = [&](int bits) {
    return std::copysign(half_to_float(static_cast<uint16_t>(bits)), declared);
  };
  const double below = magnitude - value(low), above = value(high) - magnitude;
  const bool up = above < below || (above == below && low % 2 == 1);
  if (below == 0) return {};
  return HalfNodata{stored(up ? high : low), stored(low), declared};
}

}  // namespace sr
