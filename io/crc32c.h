// CRC32C, the checksum of the project's files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace sr {

/// Castagnoli's CRC (polynomial 0x1EDC6F41, bits reflected, start and end inverted; RFC 3720 appendix B.4):
/// "123456789" gives 0xE3069283. Continues from the value of what came before:
/// crc32c(a followed by b) = crc32c(b, crc32c(a)). Finds every burst of up to 32 wrong bits.
uint32_t crc32c(std::span<const std::byte> bytes, uint32_t before = 0);

}  // namespace sr
