#include "training/report/residual_picture.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "tests/support/expect_error.h"

namespace sr {
namespace {

using Colour = std::array<int, 3>;

Colour colour_of(std::vector<float> channels, double scale = 1) {
  const auto c = std::ssize(channels);
  const Raster picture = false_colour(Tensor::from(Shape{1, 1, 1, c}, channels), scale);
  EXPECT_EQ(picture.bands, 3);
  EXPECT_EQ(picture.type, SampleType::u8);
  const uint8_t* p = picture.data<uint8_t>();
  return {p[0], p[1], p[2]};
}

double luma(const Colour& c) {
  return 0.299 * c[0] + 0.587 * c[1] + 0.114 * c[2];
}

TEST(FalseColour, ZeroIsNeutral) {
  for (const double scale : {0.0, 0.1, 1.0}) {
    const Colour zero = colour_of({0}, scale);
    EXPECT_EQ(zero[0], zero[1]);
    EXPECT_EQ(zero[1], zero[2]);
    EXPECT_EQ(colour_of({-0.0f}, scale), zero);
  }
}

TEST(FalseColour, SignsHaveDifferentHuesAndEqualDarkness) {
  for (float d = 0.05f; d <= 1; d += 0.05f) {
    const Colour above = colour_of({d}), below = colour_of({-d});
    EXPECT_GT(above[0], above[2]) << d;
    EXPECT_GT(below[2], below[0]) << d;
    EXPECT_NEAR(luma(above), luma(below), 1.5) << d;
    EXPECT_LT(luma(above), luma(colour_of({d - 0.05f}))) << "larger differences are darker, " << d;
  }
}

TEST(FalseColour, ScaleIsTheValueAtTheEnds) {
  for (const float sign : {-1.0f, 1.0f}) {
    const Colour end = colour_of({sign * 0.25f}, 0.25);
    EXPECT_EQ(colour_of({sign}, 0.25), end);
    EXPECT_EQ(colour_of({sign * INFINITY}, 0.25), end);
    EXPECT_NE(colour_of({sign * 0.24f}, 0.25), end);
    EXPECT_EQ(colour_of({sign * 0.125f}, 0.25), colour_of({sign * 0.5f}, 1));
    EXPECT_EQ(colour_of({sign * 1e-9f}, 0), end);
  }
}

TEST(FalseColour, LargestChannelIsShown) {
  EXPECT_EQ(colour_of({0.1f, -0.5f, 0.4f}), colour_of({-0.5f}));
  EXPECT_EQ(colour_of({0.6f, -0.5f, 0.4f}), colour_of({0.6f}));
}

TEST(FalseColour, NotANumberIsBlack) {
  EXPECT_EQ(colour_of({NAN}), (Colour{0, 0, 0}));
  EXPECT_EQ(colour_of({0.5f, NAN, 0.9f}), (Colour{0, 0, 0}));
}

TEST(FalseColour, PixelsStayInTheirPlacesAndViewsAreFollowed) {
  Tensor wide = Tensor::zeros(Shape{1, 2, 3, 2});
  wide.data()[(1 * 3 + 2) * 2 + 1] = 1;  // row 1, column 2, channel 1
  const Raster picture = false_colour(wide.channels(1, 2), 1);
  EXPECT_EQ(picture.window, (Window{0, 0, 3, 2}));
  const Colour end = colour_of({1}), zero = colour_of({0});
  for (int64_t p = 0; p < 6; ++p) EXPECT_EQ(picture.data<uint8_t>()[3 * p], (p == 5 ? end : zero)[0]) << p;
  EXPECT_EQ(false_colour(wide.channels(0, 1), 1).samples,
            false_colour(Tensor::zeros(Shape{1, 2, 3, 1}), 1).samples);
}

TEST(FalseColour, WhatCannotBeShownIsAnError) {
  expect_error(Error::Kind::shape, "[2, 1, 1, 1]", [] { false_colour(Tensor::zeros(Shape{2, 1, 1, 1}), 1); });
  expect_error(Error::Kind::shape, "[1, 0, 4, 1]", [] { false_colour(Tensor::zeros(Shape{1, 0, 4, 1}), 1); });
  for (const double scale : {-1.0, double{NAN}, double{INFINITY}})
    expect_error(Error::Kind::usage, "scale", [&] { false_colour(Tensor::zeros(Shape{1, 1, 1, 1}), scale); });
}

TEST(ResidualScale, IsRoundAndCoversNinetyNineOfAHundred) {
  std::vector<float> values(1000, 0.031f);
  for (size_t i = 0; i < 10; ++i) values[100 * i] = -5;
  const auto scale = [&] { return residual_scale(Tensor::from(Shape{1, 10, 100, 1}, values)); };
  EXPECT_NEAR(scale(), 0.05, 1e-9);
  values[1] = -5;
  EXPECT_NEAR(scale(), 5, 1e-9);
  std::fill(values.begin(), values.end(), 0.2f);
  EXPECT_NEAR(scale(), 0.2, 1e-9);
  std::fill(values.begin(), values.end(), -0.7f);
  EXPECT_NEAR(scale(), 1, 1e-9);
  std::fill(values.begin(), values.end(), 0.0f);
  EXPECT_EQ(scale(), 0);
  std::fill(values.begin(), values.end(), NAN);
  EXPECT_EQ(scale(), 0);
}

}  // namespace
}  // namespace sr
