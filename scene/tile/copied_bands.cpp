#include "scene/tile/copied_bands.h"

#include <algorithm>

#include "io/counted.h"
#include "io/tiff/input/alpha_band.h"
#include "tensor/error.h"

namespace sr {
namespace {

constexpr uint16_t kMinIsBlack = 1, kPalette = 3;

BandList other_bands(int bands, const BandList& copied) {
  BandList others;
  for (int b = 0; b < bands; ++b)
    if (!std::binary_search(copied.begin(), copied.end(), b)) others.push_back(b);
  return others;
}

}  // namespace

BandList copied_bands(const TiffInfo& info, const std::vector<int>& numbers) {
  BandList bands;
  for (const int number : numbers) {
    if (number < 1 || number > info.bands)
      throw Error(Error::Kind::usage, "--copy_bands ", number, ": the scene has ",
                  counted(info.bands, "band"));
    if (number - 1 == info.alpha_band())
      throw Error(Error::Kind::usage, "--copy_bands ", number,
                  ": it is the alpha band, which hides pixels and is enlarged without the network anyway");
    if (std::ranges::count(bands, number - 1) > 0)
      throw Error(Error::Kind::usage, "--copy_bands names band ", number, " twice; name each once");
    bands.push_back(number - 1);
  }
  if (info.photometric == kPalette) bands = {0};
  std::sort(bands.begin(), bands.end());
  return bands;
}

int file_band(int band, const BandList& copied) {
  for (const int c : copied)
    if (c <= band) ++band;
  return band;
}

TiffInfo without_bands(const TiffInfo& info, const BandList& copied) {
  TiffInfo rest = info;
  const int colours = info.bands - static_cast<int>(info.extra_samples.size());
  // Alpha is what it is for the whole scene, whatever GDAL would say of the rest.
  const std::optional<int> alpha = info.alpha_band();
  const auto before = alpha ? std::lower_bound(copied.begin(), copied.end(), *alpha) - copied.begin() : 0;
  rest.asked_alpha = alpha && !std::binary_search(copied.begin(), copied.end(), *alpha)
                         ? *alpha - static_cast<int>(before)
                         : kNoAlpha;
  rest.bands -= static_cast<int>(copied.size());
  for (auto band = copied.rbegin(); band != copied.rend(); ++band) {
    if (!rest.nodata_values.empty()) rest.nodata_values.erase(rest.nodata_values.begin() + *band);
    if (*band >= colours)
      rest.extra_samples.erase(rest.extra_samples.begin() + (*band - colours));
    else
      rest.photometric = kMinIsBlack;  // of RGB without one of them, nothing is left that is colour
  }
  return rest;
}

Raster without_bands(const Raster& raster, const BandList& copied) {
  const BandList others = other_bands(raster.bands, copied);
  Raster rest(raster.window, static_cast<int>(others.size()), raster.type);
  rest.mask = raster.mask;
  with_sample_type(raster.type, [&](auto zero) {
    using T = decltype(zero);
#pragma omp parallel for schedule(static)
    for (int64_t p = 0; p < raster.window.pixels(); ++p) {
      const T* const from = raster.data<T>() + p * raster.bands;
      T* to = rest.data<T>() + p * rest.bands;
      for (const int b : others) *to++ = from[b];
    }
  });
  return rest;
}

Raster with_copied_bands(const Raster& picture, const Raster& coarse, const BandList& copied, int factor) {
  const BandList others = other_bands(coarse.bands, copied);
  const Window& w = picture.window;
  Raster fine(w, coarse.bands, coarse.type);
  with_sample_type(coarse.type, [&](auto zero) {
    using T = decltype(zero);
#pragma omp parallel for schedule(static)
    for (int64_t y = 0; y < w.h; ++y) {
      const int64_t row = (w.y + y) / factor - coarse.window.y;
      for (int64_t x = 0; x < w.w; ++x) {
        const int64_t column = (w.x + x) / factor - coarse.window.x;
        const T* const from = coarse.data<T>() + (row * coarse.window.w + column) * coarse.bands;
        const T* computed = picture.data<T>() + (y * w.w + x) * picture.bands;
        T* const to = fine.data<T>() + (y * w.w + x) * fine.bands;
        for (const int b : copied) to[b] = from[b];
        for (const int b : others) to[b] = *computed++;
      }
    }
  });
  return fine;
}

}  // namespace sr
