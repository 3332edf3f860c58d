// Shape, Device and DType: what is said of a tensor without having one.
#pragma once

#include <cstdint>
#include <iosfwd>

namespace sr {

/// Four dimensions, channels innermost (NHWC). A convolution's weights are [o, kh, kw, c/groups] in the same
/// order, a bias is [1, 1, 1, o].
struct Shape {
  int64_t n = 0;  ///< images
  int64_t h = 0;  ///< rows
  int64_t w = 0;  ///< columns
  int64_t c = 0;  ///< channels

  int64_t size() const { return n * h * w * c; }  ///< elements
  int64_t pixels() const { return n * h * w; }    ///< of all images
  bool operator==(const Shape&) const = default;  ///< in all four
};
std::ostream& operator<<(std::ostream&, const Shape&);  ///< "[1, 29, 29, 64]"

/// Where numbers lie: in the memory of the processor, or of a GPU.
enum class Device { cpu, cuda };
std::ostream& operator<<(std::ostream&, Device);  ///< "cpu", "cuda"

/// Storage type. Arithmetic is always float32; the 16-bit types halve what a fast path moves through memory.
enum class DType { f32, bf16, f16 };
std::ostream& operator<<(std::ostream&, DType);  ///< "f32", "bf16", "f16"
int64_t bytes_of(DType);                         ///< of one element

}  // namespace sr
