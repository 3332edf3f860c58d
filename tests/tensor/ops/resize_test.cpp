#include "tensor/ops/resize.h"

#include <gtest/gtest.h>
#include <omp.h>

// Debian's stb_image_resize serves as a second opinion, written by others.
#define STB_IMAGE_RESIZE_STATIC
#define STB_IMAGE_RESIZE_IMPLEMENTATION
#include <stb_image_resize.h>

#include <cmath>
#include <functional>
#include <random>
#include <vector>

#include "tensor/error.h"

namespace sr {
namespace {

Tensor noise(Shape shape, unsigned seed = 1) {
  std::mt19937 random(seed);
  Tensor t(shape);
  for (int64_t i = 0; i < shape.size(); ++i) t.data()[i] = static_cast<float>(random() >> 8) * 0x1p-24f;
  return t;
}

double keys(double x) {
  x = std::abs(x);
  return x < 1 ? 1.5 * x * x * x - 2.5 * x * x + 1 : x < 2 ? -0.5 * x * x * x + 2.5 * x * x - 4 * x + 2 : 0;
}

// One line by the plain definition: every sample within reach of the (stretched) kernel, mirrored at the
// ends.
std::vector<double> line_by_definition(const std::vector<double>& x, int64_t out) {
  const auto in = static_cast<int64_t>(x.size());
  const double ratio = static_cast<double>(in) / static_cast<double>(out), stretch = std::max(1.0, ratio);
  std::vector<double> y;
  for (int64_t i = 0; i < out; ++i) {
    const double centre = (static_cast<double>(i) + 0.5) * ratio - 0.5;
    double sum = 0, weights = 0;
    for (auto j = static_cast<int64_t>(std::floor(centre - 2 * stretch));
         static_cast<double>(j) <= centre + 2 * stretch; ++j) {
      int64_t m = j;
      while (m < 0 || m >= in) m = m < 0 ? -1 - m : 2 * in - 1 - m;
      const double weight = keys((static_cast<double>(j) - centre) / stretch);
      sum += weight * x[static_cast<size_t>(m)];
      weights += weight;
    }
    y.push_back(sum / weights);
  }
  return y;
}

// One image of one channel, in double.
std::vector<std::vector<double>> by_definition(const Tensor& x, int64_t h, int64_t w) {
  std::vector<std::vector<double>> wide,
      y(static_cast<size_t>(h), std::vector<double>(static_cast<size_t>(w)));
  for (int64_t r = 0; r < x.shape().h; ++r) {
    const float* row = x.data() + r * x.shape().w;
    wide.push_back(line_by_definition({row, row + x.shape().w}, w));
  }
  for (size_t c = 0; c < static_cast<size_t>(w); ++c) {
    std::vector<double> column;
    for (const auto& row : wide) column.push_back(row[c]);
    column = line_by_definition(column, h);
    for (size_t r = 0; r < column.size(); ++r) y[r][c] = column[r];
  }
  return y;
}

void expect_definition(const Tensor& x, const Tensor& y) {
  const auto expected = by_definition(x, y.shape().h, y.shape().w);
  double worst = 0;
  for (int64_t r = 0; r < y.shape().h; ++r)
    for (int64_t c = 0; c < y.shape().w; ++c)
      worst = std::max(worst, std::abs(static_cast<double>(y.data()[r * y.shape().w + c]) -
                                       expected[static_cast<size_t>(r)][static_cast<size_t>(c)]));
  EXPECT_LE(worst, 1e-6) << x.shape() << " to " << y.shape();
}

TEST(BicubicResize, IsTheDefinitionAtEveryPixelWhateverTheRatio) {
  struct Case {
    int64_t h, w, out_h, out_w;
  };
  for (const Case& c : {Case{24, 36, 12, 18},
                        {24, 36, 8, 12},
                        {24, 36, 6, 9},
                        {31, 50, 28, 45},
                        {31, 50, 17, 33},
                        {20, 13, 40, 26},
                        {20, 13, 60, 39},
                        {20, 13, 80, 52},
                        {20, 13, 33, 20},
                        {40, 9, 7, 31},
                        {12, 12, 12, 12},
                        {300, 2, 1, 2},
                        {3, 40, 2, 1}})
    expect_definition(noise({1, c.h, c.w, 1}), bicubic_resize(noise({1, c.h, c.w, 1}), c.out_h, c.out_w));
}

TEST(BicubicResize, StaysTheDefinitionFarFromTheOrigin) {
  expect_definition(noise({1, 1, 6000, 1}), bicubic_resize(noise({1, 1, 6000, 1}), 1, 5400));
  expect_definition(noise({1, 1, 6001, 1}), bicubic_resize(noise({1, 1, 6001, 1}), 1, 3000));
  expect_definition(noise({1, 6000, 1, 1}), bicubic_resize(noise({1, 6000, 1, 1}), 2000, 1));
}

TEST(BicubicEnlarge, IsTheDefinitionForImagesOfAnySize) {
  for (const int factor : {1, 2, 3, 4, 5})
    for (const Shape& s :
         {Shape{1, 1, 1, 1}, {1, 1, 2, 1}, {1, 2, 1, 1}, {1, 3, 3, 1}, {1, 1, 29, 1}, {1, 21, 17, 1}})
      expect_definition(noise(s), bicubic_enlarge(noise(s), factor));
}

// stb's own edge modes do not mirror, hence the margin of eight mirrored samples; its offsets cut it off
// again.
std::vector<float> by_stb(const Tensor& x, int out_h, int out_w) {
  const auto h = static_cast<int>(x.shape().h), w = static_cast<int>(x.shape().w);
  const float down = static_cast<float>(out_h) / static_cast<float>(h);
  const float across = static_cast<float>(out_w) / static_cast<float>(w);
  const int margin = 8 * std::max({1, (h + out_h - 1) / out_h, (w + out_w - 1) / out_w});
  std::vector<float> padded;
  const auto mirror = [](int i, int n) { return i < 0 ? -1 - i : i >= n ? 2 * n - 1 - i : i; };
  for (int r = -margin; r < h + margin; ++r)
    for (int c = -margin; c < w + margin; ++c) padded.push_back(x.data()[mirror(r, h) * w + mirror(c, w)]);
  std::vector<float> y(static_cast<size_t>(out_h) * static_cast<size_t>(out_w));
  EXPECT_TRUE(stbir_resize_subpixel(padded.data(), w + 2 * margin, h + 2 * margin, 0, y.data(), out_w, out_h,
                                    0, STBIR_TYPE_FLOAT, 1, STBIR_ALPHA_CHANNEL_NONE, 0, STBIR_EDGE_CLAMP,
                                    STBIR_EDGE_CLAMP, STBIR_FILTER_CATMULLROM, STBIR_FILTER_CATMULLROM,
                                    STBIR_COLORSPACE_LINEAR, nullptr, across, down,
                                    static_cast<float>(margin) * across, static_cast<float>(margin) * down));
  return y;
}

TEST(BicubicResize, AgreesWithStbImageResize) {
  const Tensor x = noise({1, 60, 84, 1}, 3);
  for (const auto& [h, w] :
       {std::pair{30, 42}, {20, 28}, {15, 21}, {54, 63}, {120, 168}, {180, 252}, {240, 336}}) {
    const Tensor y = bicubic_resize(x, h, w);
    const std::vector<float> expected = by_stb(x, h, w);
    for (size_t i = 0; i < expected.size(); ++i)
      ASSERT_NEAR(y.data()[i], expected[i], 1e-5) << h << " x " << w;
  }
}

TEST(BicubicEnlarge, APieceOfAnImageHasTheSameBitsAsTheWhole) {
  const Tensor whole = noise({1, 40, 50, 3});
  for (const int factor : {2, 3, 4}) {
    const Tensor expected = bicubic_enlarge(whole, factor);
    const int64_t top = 7, left = 11, h = 13, w = 22, margin = 2;
    Tensor piece({1, h, w, 3});
    for (int64_t r = 0; r < h; ++r)
      for (int64_t i = 0; i < w * 3; ++i)
        piece.data()[r * w * 3 + i] = whole.data()[((top + r) * 50 + left) * 3 + i];
    const Tensor y = bicubic_enlarge(piece, factor);
    for (int64_t r = margin * factor; r < (h - margin) * factor; ++r)
      for (int64_t i = margin * factor * 3; i < (w - margin) * factor * 3; ++i)
        ASSERT_EQ(y.data()[r * w * factor * 3 + i],
                  expected.data()[((top * factor + r) * 50 * factor + left * factor) * 3 + i])
            << "x" << factor << " row " << r;
  }
}

TEST(BicubicResize, BitsDoNotDependOnTheNumberOfThreads) {
  const Tensor x = noise({3, 19, 23, 2});
  const int before = omp_get_max_threads();
  omp_set_num_threads(1);
  const std::vector<float> enlarged = bicubic_enlarge(x, 3).to_vector();
  const std::vector<float> shrunk = bicubic_resize(x, 7, 10).to_vector();
  for (const int threads : {2, 3, 7, 100}) {
    omp_set_num_threads(threads);
    EXPECT_EQ(bicubic_enlarge(x, 3).to_vector(), enlarged) << threads;
    EXPECT_EQ(bicubic_resize(x, 7, 10).to_vector(), shrunk) << threads;
  }
  omp_set_num_threads(before);
}

TEST(BicubicResize, ImagesAndChannelsDoNotMixAndViewsWork) {
  for (const int64_t h : {1, 9}) {
    const Tensor x = noise({4, h, 14, 5});
    const Tensor whole = bicubic_resize(x, 5, 11);
    EXPECT_EQ(bicubic_resize(x.channels(1, 4), 5, 11).to_vector(), whole.channels(1, 4).to_vector());
    for (int64_t n = 0; n < 4; ++n)
      for (int64_t c = 0; c < 5; ++c) {
        Tensor plane({1, h, 14, 1});
        for (int64_t p = 0; p < h * 14; ++p) plane.data()[p] = x.data()[(n * h * 14 + p) * 5 + c];
        const Tensor y = bicubic_resize(plane, 5, 11);
        for (int64_t p = 0; p < 5 * 11; ++p)
          ASSERT_EQ(y.data()[p], whole.data()[(n * 5 * 11 + p) * 5 + c]) << "image " << n << " channel " << c;
      }
  }
}

TEST(BicubicResize, ALinearRampComesBackWithoutShift) {
  for (const int factor : {2, 3, 4}) {
    const int64_t n = 24 * factor;
    Tensor ramp({1, 1, n, 1});
    for (int64_t i = 0; i < n; ++i) ramp.data()[i] = static_cast<float>(i) / 64;
    const Tensor back = bicubic_enlarge(bicubic_resize(ramp, 1, 24), factor);
    for (int64_t i = 5 * factor; i < n - 5 * factor; ++i) ASSERT_NEAR(back.data()[i], ramp.data()[i], 1e-5);
  }
}

Error::Kind kind_of_failure(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.kind();
  }
  ADD_FAILURE() << "no error";
  return Error::Kind::io;
}

TEST(BicubicResize, WhatCannotBeResizedIsAnError) {
  const Tensor x = noise({1, 4, 4, 1});
  EXPECT_EQ(kind_of_failure([&] { bicubic_enlarge(x, 0); }), Error::Kind::usage);
  EXPECT_EQ(kind_of_failure([&] { bicubic_resize(x, 0, 4); }), Error::Kind::usage);
  EXPECT_EQ(kind_of_failure([&] { bicubic_resize(x, 4, -1); }), Error::Kind::usage);
  EXPECT_EQ(kind_of_failure([&] { bicubic_resize(x, 4, int64_t{1} << 31); }), Error::Kind::limit);
  EXPECT_EQ(kind_of_failure([&] { bicubic_enlarge(Tensor({1, 0, 4, 1}), 2); }), Error::Kind::shape);
  EXPECT_EQ(kind_of_failure([&] { bicubic_enlarge(convert(x, DType::bf16), 2); }), Error::Kind::usage);
}

}  // namespace
}  // namespace sr
