#include "io/tiff/input/unpack.h"

#include <bit>
#include <cmath>
#include <cstring>

namespace sr {
namespace {

// Values of a row one after the other, from the most significant bit of each byte down.
class BitReader {
 public:
  BitReader(const std::byte* bytes, int bits) : next_(bytes), bits_(bits) {}

  uint32_t operator()() {
    while (held_ < bits_) {
      pending_ = pending_ << 8 | std::to_integer<uint64_t>(*next_++);
      held_ += 8;
    }
    held_ -= bits_;
    return static_cast<uint32_t>(pending_ >> held_ & ((uint64_t{1} << bits_) - 1));
  }

 private:
  const std::byte* next_;
  int bits_;
  int held_ = 0;
  uint64_t pending_ = 0;
};

// Whole bytes in the machine's order: what libtiff gives for 8, 16 and 24 bits.
class ByteReader {
 public:
  ByteReader(const std::byte* bytes, int bits) : next_(bytes), size_(static_cast<size_t>(bits / 8)) {}

  uint32_t operator()() {
    uint32_t value = 0;
    std::memcpy(reinterpret_cast<std::byte*>(&value) +
                    (std::endian::native == std::endian::big ? sizeof value - size_ : 0),
                next_, size_);
    next_ += size_;
    return value;
  }

 private:
  const std::byte* next_;
  size_t size_;
};

template <class T>
void put(std::byte*& out, T value) {
  std::memcpy(out, &value, sizeof value);
  out += sizeof value;
}

template <class Reader>
void unpack(const SampleCoding& coding, Reader next, int64_t count, std::byte* out) {
  const bool wide = coding.type == SampleType::u16;
  if (!coding.palette.empty()) {
    for (int64_t i = 0; i < count; ++i) {
      const uint16_t* colour = &coding.palette[size_t{3} * next()];
      for (int c = 0; c < 3; ++c) {
        wide ? put(out, colour[c]) : put(out, static_cast<uint8_t>(colour[c]));
      }
    }
  } else if (coding.half_float) {
    for (int64_t i = 0; i < count; ++i) put(out, half_to_float(static_cast<uint16_t>(next())));
  } else if (coding.type == SampleType::u8) {
    for (int64_t i = 0; i < count; ++i) {
      const uint32_t value = next();
      put(out, coding.codes ? static_cast<uint8_t>(value) : scaled_to_u8(value, coding.bits));
    }
  } else if (wide) {
    for (int64_t i = 0; i < count; ++i) put(out, static_cast<uint16_t>(next()));
  } else {
    for (int64_t i = 0; i < count; ++i) put(out, next());
  }
}

}  // namespace

uint8_t scaled_to_u8(uint32_t value, int bits) {
  const uint32_t largest = (1u << bits) - 1;
  return static_cast<uint8_t>((value * 255 + largest / 2) / largest);
}

float half_to_float(uint16_t half) {
  const int exponent = half >> 10 & 31;
  const int fraction = half & 1023;
  float magnitude = 0;
  if (exponent == 31) {
    // The payload of a NaN is kept, as a conversion in hardware does.
    magnitude = std::bit_cast<float>(0x7f800000u | static_cast<uint32_t>(fraction) << 13);
  } else if (exponent == 0) {
    magnitude = std::ldexp(static_cast<float>(fraction), -24);
  } else {
    magnitude = std::ldexp(static_cast<float>(fraction + 1024), exponent - 25);
  }
  return half >> 15 ? -magnitude : magnitude;
}

void unpack_row(const SampleCoding& coding, const std::byte* packed, int64_t count, std::byte* out) {
  if (coding.as_is()) {
    std::memcpy(out, packed, static_cast<size_t>(coding.packed_bytes(count)));
  } else if (coding.bits == 8 || coding.bits == 16 || coding.bits == 24) {
    unpack(coding, ByteReader(packed, coding.bits), count, out);
  } else {
    unpack(coding, BitReader(packed, coding.bits), count, out);
  }
}

}  // namespace sr
