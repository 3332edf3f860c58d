// Output channels in blocks of vectors, and what happens to a value before it is stored: shared by the
// convolution kernels. Included by *_simd.cpp files only (see tensor/simd/lanes.h).
#pragma once

#include <cstring>

#include "tensor/conv2d/cpu/kernels.h"
#include "tensor/conv2d/cpu/row_ring.h"
#include "tensor/simd/lanes.h"

namespace {

using sr::cpu::AddedChannels;
using sr::cpu::ConvEpilogue;

// ---- blocks ----

// One block of V vectors of outputs of one group.
struct OutputBlock {
  int64_t group = 0, first = 0, count = 0;  // first output channel and how many are real
  int vectors = 0;
};

// Vectors of 8 when a group has no more outputs than that; else of 16, several side by side.
inline bool uses_eight(int64_t og) {
  return og <= 8;
}

inline int64_t lanes_for(int64_t og) {
  return uses_eight(og) ? 8 : 16;
}

struct Blocks {
  int64_t per_group, vectors;  // vectors in all but perhaps the last block
};

inline Blocks blocks_for(int64_t og) {
  const int64_t vectors = (og + lanes_for(og) - 1) / lanes_for(og);
  const int64_t blocks = (vectors + kLargestVectors - 1) / kLargestVectors;
  return {blocks, (vectors + blocks - 1) / blocks};
}

// All blocks of a convolution.
class OutputBlocks {
 public:
  explicit OutputBlocks(const ConvDims& d)
      : og_(d.o / d.groups), plan_(blocks_for(og_)), size_(d.groups * plan_.per_group) {}

  int64_t size() const { return size_; }
  int64_t width() const {
    return plan_.vectors * lanes_for(og_);
  }  // floats of all but perhaps a group's last
  OutputBlock operator[](int64_t i) const {
    const int64_t begin = i % plan_.per_group * width();
    OutputBlock block;
    block.group = i / plan_.per_group;
    block.first = block.group * og_ + begin;
    block.count = smaller(width(), og_ - begin);
    block.vectors = static_cast<int>((block.count + lanes_for(og_) - 1) / lanes_for(og_));
    return block;
  }

 private:
  int64_t og_;
  Blocks plan_;
  int64_t size_;
};

// ---- the way out ----

// The added tensors' values for output channels first .. first+count of one pixel.
template <class V>
V added_lanes(const ConvEpilogue& e, int64_t pixel, int64_t first, int64_t count) {
  const AddedChannels& a = e.added[0];
  const AddedChannels& b = e.added[1];
  if (first + count <= a.c) return V::load_first(a.data + pixel * a.pitch + first, count);
  if (first >= a.c) return V::load_first(b.data + pixel * b.pitch + first - a.c, count);
  float v[V::kLanes] = {};
  for (int64_t i = 0; i < count; ++i)
    v[i] = first + i < a.c ? a.data[pixel * a.pitch + first + i] : b.data[pixel * b.pitch + first + i - a.c];
  return V::load(v);
}

template <class V>
V bias_lanes(const ConvEpilogue& e, int64_t first, int64_t count) {
  return e.bias ? V::load_first(e.bias + first, count) : V::zero();
}

template <class V>
void finish(V sum, V bias, const ConvEpilogue& e, int64_t pixel, int64_t first, int64_t count, float* y) {
  V result = sum + bias;
  if (e.leak != 1.0f) result = result.leaky(e.leak);
  if (e.added[0].data) result = result + added_lanes<V>(e, pixel, first, count);
  if (count == V::kLanes)
    result.store(y);
  else
    result.store_first(y, count);
}

}  // namespace
