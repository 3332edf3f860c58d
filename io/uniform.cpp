#include "io/uniform.h"

#include <cstring>

namespace sr {
namespace {

bool repeats(const void* bytes, size_t size, size_t period) {
  const auto* first = static_cast<const std::byte*>(bytes);
  return size <= period || std::memcmp(first, first + period, size - period) == 0;
}

}  // namespace

std::optional<std::vector<std::byte>> only_pixel(const Raster& raster) {
  const auto& [window, bands, type, samples, mask] = raster;
  const auto bytes = static_cast<size_t>(bands * bytes_of(type));
  if (samples.empty() || !repeats(samples.data(), samples.size(), bytes)) return {};
  if (!repeats(mask.data(), mask.size(), 1)) return {};
  std::vector<std::byte> pixel(samples.begin(), samples.begin() + static_cast<ptrdiff_t>(bytes));
  if (!mask.empty()) pixel.push_back(std::byte{mask[0]});
  return pixel;
}

}  // namespace sr
