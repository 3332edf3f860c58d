// Shape, Device and DType: what is said of a tensor without having one.
#pragma once

#include <cstdint>
#include <iosfwd>

namespace sr {

/// Four dimensions, channels innermost (NHWC). A convolution's weights are [o, kh, kw, c/groups] in the same
/// order, a bias is [1, 1, 1, o].
struct Shape {
  int64_t n = 0, h = 0, w = 0, c = 0;

  int64_t size() const { return n * h * w * c; }
  int64_t pixels() const { return n * h * w; }
  bool operator==(const Shape&) const = default;
};
std::ostream& operator<<(std::ostream&, const Shape&);  ///< "[1, 29, 29, 64]"

enum class Device { cpu, cuda };
std::ostream& operator<<(std::ostream&, Device);

/// Storage type. Arithmetic is always float32; the 16-bit types halve what a fast path moves through memory.
enum class DType { f32, bf16, f16 };
std::ostream& operator<<(std::ostream&, DType);
int64_t bytes_of(DType);

}  // namespace sr
