// What the checks of an operation hand to its CUDA kernels: pointers into device memory and where to run.
#pragma once

#include <cstdint>

#include "tensor/shape.h"

struct CUstream_st;  // the toolkit's name for a stream; callers need no other word of the toolkit

namespace sr::cuda {

/// Where kernels run, in order, and how many blocks a launch has at most; a few times what the device holds
/// at once is enough. Results have the same bits for any number: work is cut by shapes alone, and blocks take
/// the pieces in turns.
struct Queue {
  CUstream_st* stream = nullptr;
  int blocks = 8 * 132;
};

/// Pixels in device memory: channel k of pixel p lies p * pitch + k elements from `data`. Element types go
/// beside it, as a DType; arithmetic is float32 whatever they are. Accesses are of 16 bytes where all
/// pointers and pitches of a call are multiples of 16 bytes, else of single elements, with the same results.
struct ConstView {
  const void* data = nullptr;
  int64_t pitch = 0;
};
struct View {
  void* data = nullptr;
  int64_t pitch = 0;
  operator ConstView() const { return {data, pitch}; }
};

}  // namespace sr::cuda
