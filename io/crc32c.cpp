#include "io/crc32c.h"

#include <array>
#include <cstring>

namespace sr {
namespace {

constexpr uint32_t kPolynomial = 0x82F63B78u;  // 0x1EDC6F41 with its bits reversed

// kTable[k][b]: what byte b does to the remainder when k more bytes follow it.
using Table = std::array<std::array<uint32_t, 256>, 8>;

constexpr Table make_table() {
  Table table{};
  for (uint32_t b = 0; b < 256; ++b) {
    uint32_t r = b;
    for (int bit = 0; bit < 8; ++bit) r = (r >> 1) ^ ((r & 1u) ? kPolynomial : 0u);
    table[0][b] = r;
  }
  for (size_t k = 1; k < table.size(); ++k)
    for (size_t b = 0; b < 256; ++b) table[k][b] = (table[k - 1][b] >> 8) ^ table[0][table[k - 1][b] & 0xFFu];
  return table;
}

constexpr Table kTable = make_table();

}  // namespace

// Eight bytes a step, each with a table of its own (Kounavis and Berry, "slicing-by-8"): the look-ups do not
// wait for one another, as they do byte by byte.
uint32_t crc32c(std::span<const std::byte> bytes, uint32_t before) {
  uint32_t r = ~before;
  while (bytes.size() >= 8) {
    uint64_t word;
    std::memcpy(&word, bytes.data(), 8);
    word ^= r;
    r = 0;
    for (size_t i = 0; i < 8; ++i) r ^= kTable[7 - i][(word >> (8 * i)) & 0xFFu];
    bytes = bytes.subspan(8);
  }
  for (const std::byte byte : bytes) r = (r >> 8) ^ kTable[0][(r ^ static_cast<uint32_t>(byte)) & 0xFFu];
  return ~r;
}

}  // namespace sr
