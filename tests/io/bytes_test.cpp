#include "io/bytes.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>

namespace sr {
namespace {

std::vector<std::byte> bytes_of(std::initializer_list<int> values) {
  std::vector<std::byte> bytes;
  for (const int v : values) bytes.push_back(static_cast<std::byte>(v));
  return bytes;
}

TEST(Bytes, NumbersAreLittleEndian) {
  ByteWriter out;
  out.number<uint32_t>(0x01020304u);
  out.number<uint16_t>(0xABCDu);
  out.number(1.0f);
  const auto expected = bytes_of({4, 3, 2, 1, 0xCD, 0xAB, 0, 0, 0x80, 0x3F});
  EXPECT_TRUE(std::ranges::equal(out.bytes(), expected));
}

TEST(Bytes, WhatIsWrittenIsReadBack) {
  ByteWriter out;
  const std::array<double, 3> values{0.0, -1.5, 1e300};
  out.append("name");
  out.number<int64_t>(-7);
  out.numbers<double>(values);
  ByteReader in(out.bytes(), "memory");
  EXPECT_EQ(in.text(4), "name");
  EXPECT_EQ(in.number<int64_t>(), -7);
  std::array<double, 3> read{};
  in.numbers<double>(read);
  EXPECT_EQ(read, values);
  EXPECT_EQ(in.left(), 0u);
  EXPECT_EQ(in.position(), 4u + 8u + 24u);
}

TEST(Bytes, AlignmentIsFilledWithZeros) {
  ByteWriter out;
  out.align(64);
  EXPECT_EQ(out.bytes().size(), 0u);
  out.append("x");
  out.align(64);
  ASSERT_EQ(out.bytes().size(), 64u);
  for (size_t i = 1; i < 64; ++i) EXPECT_EQ(out.bytes()[i], std::byte{0});
  out.align(64);
  EXPECT_EQ(out.bytes().size(), 64u);
}

TEST(Bytes, ReadingPastTheEndIsAnErrorThatNamesTheFile) {
  const auto bytes = bytes_of({1, 2, 3});
  ByteReader in(bytes, "scene.rec");
  EXPECT_EQ(in.number<uint8_t>(), 1);
  try {
    in.number<uint32_t>();
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::Kind::format);
    EXPECT_STREQ(error.what(), "scene.rec: truncated: 4 bytes wanted at byte 1, 2 are left");
  }
  EXPECT_EQ(in.number<uint16_t>(), 0x0302);  // a refused read passes over nothing
}

TEST(Bytes, HugeLengthsDoNotWrapAround) {
  const auto bytes = bytes_of({1, 2, 3});
  ByteReader in(bytes, "memory");
  in.take(2);
  EXPECT_THROW(in.take(SIZE_MAX), Error);
  EXPECT_THROW(in.take(SIZE_MAX - 1), Error);
  EXPECT_THROW(in.text(2), Error);
  EXPECT_EQ(in.left(), 1u);
}

}  // namespace
}  // namespace sr
