#include "io/crc32c.h"

#include <gtest/gtest.h>

#include <random>
#include <string_view>
#include <vector>

namespace sr {
namespace {

// The definition, bit by bit.
uint32_t crc32c_by_bits(std::span<const std::byte> bytes) {
  uint32_t r = 0xFFFFFFFFu;
  for (const std::byte byte : bytes) {
    r ^= static_cast<uint32_t>(byte);
    for (int bit = 0; bit < 8; ++bit) r = (r >> 1) ^ ((r & 1u) ? 0x82F63B78u : 0u);
  }
  return ~r;
}

uint32_t crc32c_of(std::string_view text) {
  return crc32c(std::as_bytes(std::span(text)));
}

std::vector<std::byte> random_bytes(size_t count) {
  std::mt19937 random(7);
  std::vector<std::byte> bytes(count);
  for (auto& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

TEST(Crc32c, KnownValues) {
  EXPECT_EQ(crc32c_of("123456789"), 0xE3069283u);
  EXPECT_EQ(crc32c_of(""), 0u);
  // RFC 3720, B.4: 32 bytes of zeros, of ones, counted up and counted down.
  std::vector<std::byte> bytes(32, std::byte{0});
  EXPECT_EQ(crc32c(bytes), 0x8A9136AAu);
  bytes.assign(32, std::byte{0xFF});
  EXPECT_EQ(crc32c(bytes), 0x62A8AB43u);
  for (size_t i = 0; i < 32; ++i) bytes[i] = static_cast<std::byte>(i);
  EXPECT_EQ(crc32c(bytes), 0x46DD794Eu);
  for (size_t i = 0; i < 32; ++i) bytes[i] = static_cast<std::byte>(31 - i);
  EXPECT_EQ(crc32c(bytes), 0x113FDB5Cu);
}

TEST(Crc32c, EqualsTheDefinitionAtEveryLengthAndOffset) {
  const auto bytes = random_bytes(100);
  for (size_t begin = 0; begin < 9; ++begin)
    for (size_t length = 0; begin + length <= bytes.size(); ++length) {
      const auto part = std::span(bytes).subspan(begin, length);
      ASSERT_EQ(crc32c(part), crc32c_by_bits(part)) << begin << " " << length;
    }
}

TEST(Crc32c, ContinuesFromTheValueBefore) {
  const auto bytes = random_bytes(100);
  const uint32_t whole = crc32c(bytes);
  for (size_t cut = 0; cut <= bytes.size(); ++cut)
    ASSERT_EQ(crc32c(std::span(bytes).subspan(cut), crc32c(std::span(bytes).first(cut))), whole) << cut;
}

}  // namespace
}  // namespace sr
