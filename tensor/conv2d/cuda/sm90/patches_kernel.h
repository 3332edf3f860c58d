// 3x3 and 1x1 convolutions on Hopper's warpgroup matrix products for batches of small images, where latency
// counts: an image of 29x29 is two tiles of 16x32, and 64 of them are one tile for each multiprocessor. (With
// 80 outputs tiles are 8x32: their sums leave no registers for more.)
//
// Two groups (warpgroups, 128 threads) share a tile, half its rows each, with all outputs in registers. Work
// goes in steps of 32 bytes of input channels, 16 or, in TF32, 8: the tile's channels of a step with their
// halo and the step's weights lie in a slot of a ring, the tile by cp.async, the weights by one bulk copy.
// Products begin when the first step is there; steps of the next tile follow in the ring.
//
// A comes through ldmatrix into registers: of one column of taps, the rows of 16 pixels that a warp's
// output rows need, two more than those, serve all three ky. A slot's pixels have 32 bytes; their halves
// change places in every other four pixels, which makes ldmatrix free of bank conflicts. B is read in the
// slot by descriptor. Grouped convolutions are computed with zeros between groups.
#pragma once

#include "tensor/conv2d/cuda/sm90/patches_end.h"

namespace sr::cuda {
namespace {

/// A block's ring.
template <class V>
struct PatchMemory {
  unsigned char *tiles, *weights;
  gpu::Barrier* arrived;  // the weights of each slot

  GPU_FN explicit PatchMemory(gpu::Smem& smem) {
    tiles = smem.get<unsigned char>(V::kSlots * V::kTileBytes, 128);
    weights = smem.get<unsigned char>(V::kSlots * V::kWeightBytes, 128);
    arrived = smem.get<gpu::Barrier>(V::kSlots);
  }
};

/// Starts the copies of the block's steps in their order.
template <class V>
class StepLoader {
 public:
  using T = typename V::T;
  GPU_FN explicit StepLoader(const PatchArgs<T>& a) : number_(static_cast<int>(blockIdx.x)) { open(a); }

  /// The next step's weights, tile or both, if there is such a step, into the next slot; the tile's copies as
  /// a group. By all threads.
  GPU_FN void load(const PatchArgs<T>& a, const PatchMemory<V>& memory, bool weights, bool tile) {
    if (number_ < a.n * a.rows * a.columns) {
      if (weights) load_weights(a, memory);
      if (tile) load_tile(a, memory.tiles + slot_ * V::kTileBytes);
      if (++slot_ == V::kSlots) slot_ = 0;
      if (++step_ == V::kSteps) number_ += static_cast<int>(gridDim.x), open(a);
    }
    if (tile) gpu::cp_commit();
    __syncwarp();  // products want whole warps
  }

 private:
  GPU_FN void open(const PatchArgs<T>& a) {
    const PatchTile tile(a, number_, V::kTileH);
    step_ = 0, top_ = tile.y - V::kPad, left_ = tile.x - V::kPad;
    first_ = (static_cast<long long>(tile.image) * a.h + top_) * a.x_row +
             static_cast<long long>(left_) * a.x_pitch;
  }
  GPU_FN void load_weights(const PatchArgs<T>& a, const PatchMemory<V>& memory) const {
    if (threadIdx.x != 0) return;
    gpu::barrier_expect(memory.arrived + slot_, V::kWeightBytes);
    gpu::bulk_copy(memory.weights + slot_ * V::kWeightBytes, a.packed + step_ * V::kWeightBytes,
                   V::kWeightBytes, memory.arrived + slot_);
  }
  GPU_FN void load_tile(const PatchArgs<T>& a, unsigned char* tile) const {
    const int thread = static_cast<int>(threadIdx.x), half = thread % 2;
    const T* const from = a.x + first_ + step_ * V::kStep + half * V::kUnit;
#pragma unroll 1  // unrolled, it would take registers from the sums
    for (TileWalk<V::kInW, V::kThreads / 2> at(thread / 2); at.pixel < V::kInH * V::kInW; at.step()) {
      const bool inside = within(top_ + at.row, a.h) && within(left_ + at.column, a.w);
      unsigned char* const to =
          tile + (at.row * V::kPitch + at.column) * 32 + (half ^ (at.column / 4 % 2)) * 16;
      gpu::cp_async16(to, inside ? from + at.row * a.x_row + at.column * a.x_pitch : a.x, inside);
    }
  }
  int number_, step_ = 0, slot_ = 0, top_ = 0, left_ = 0;
  long long first_ = 0;
};

/// Rows of 16 pixels as A, from the warp's first row on, with their column shifted by kx.
template <class V>
GPU_FN void load_rows(typename V::Fragments& f, const unsigned char* tile, int kx) {
  const int lane = static_cast<int>(threadIdx.x) % 32, column = lane % 16 + kx;
  const unsigned char* const from = tile + column * 32 + (lane / 16 ^ (column / 4 % 2)) * 16;
#pragma unroll
  for (int i = 0; i < V::kRows + 2 * V::kPad; ++i) {
    gpu::ldmatrix_x4(f[i], from + i * V::kPitch * 32);
    if constexpr (sizeof(typename V::T) == 4) {
#pragma unroll
      for (int k = 0; k < 4; ++k) {
        f[i][k] = gpu::rounded_operand(f[i][k]);
      }
      gpu::pin(f[i]);
    }
  }
}

/// Products of these rows with the taps of column kx, begun and not waited for.
template <class V>
GPU_FN void multiply_column(typename V::Sums& sums, const typename V::Fragments& f,
                            const unsigned char* weights, int kx) {
  const uint64_t b = gpu::matrix_descriptor(gpu::Swizzle::none, V::kHalfBytes, 128) +
                     gpu::matrix_start(gpu::shared_address(weights));
  gpu::wgmma_fence();
#pragma unroll
  for (int i = 0; i < V::kRows + 2 * V::kPad; ++i) {
#pragma unroll
    for (int ky = 0; ky < V::kKernel; ++ky) {
      const int row = i - ky;
      if (row < 0 || row >= V::kRows) continue;
      gpu::wgmma_rs<typename V::T, V::kN>(
          sums[row], f[i],
          b + gpu::matrix_start(static_cast<uint32_t>((kx * V::kKernel + ky) * 2 * V::kHalfBytes)));
    }
  }
  gpu::wgmma_commit();
}

/// Waits for the thread's copies of a step: at the very first, all other slots' are ahead; later the slot of
/// the step before is still to be filled.
template <class V>
GPU_FN void wait_for_step(bool first) {
  if (first) {
    gpu::cp_wait<V::kSlots - 1>();
  } else {
    gpu::cp_wait<V::kSlots - 2>();
  }
}

// ptxas: patches_kernel registers<=255
template <class V>
__global__ void __launch_bounds__(V::kThreads, 1)
    patches_kernel(const __grid_constant__ PatchArgs<typename V::T> a) {
  gpu::Smem smem;
  const PatchMemory<V> memory(smem);
  if (threadIdx.x == 0) {
    for (int i = 0; i < V::kSlots; ++i) gpu::barrier_init(memory.arrived + i, 1);
    gpu::barrier_init_done();
  }
  if (!a.packed_before) gpu::wait_for_earlier_kernels();
  StepLoader<V> first_weights(a), loader(a);
  for (int i = 0; i < V::kSlots; ++i) first_weights.load(a, memory, true, false);
  gpu::wait_for_earlier_kernels();
  gpu::let_later_kernels_start();  // not before the wait: what was packed before this kernel is there for
                                   // them
  __syncthreads();
  for (int i = 0; i < V::kSlots; ++i) loader.load(a, memory, false, true);
  const int warp_row = __shfl_sync(0xffffffffu, static_cast<int>(threadIdx.x) / 64, 0) * V::kRows,
            warp_column = __shfl_sync(0xffffffffu, static_cast<int>(threadIdx.x) / 32 % 2, 0) * 16;
  const unsigned char* const rows_of_warp = memory.tiles + (warp_row * V::kPitch + warp_column) * 32;

  typename V::Sums sums;
  typename V::Fragments rows[2];  // one is loaded while the products of the other are under way
  bool first = true;              // step of the block
  int slot = 0;
  uint32_t parity = 0;
  const auto do_step = [&] {
    wait_for_step<V>(first);
    gpu::wgmma_wait<0>();  // ptxas lets no products go on through the loop that waits for the weights
    gpu::barrier_wait(memory.arrived + slot, parity);
    __syncthreads();  // the tile is there; the steps before have been multiplied with by all
#pragma unroll
    for (int kx = 0; kx < V::kKernel; ++kx) {
      if (kx >= 2) gpu::wgmma_wait<1>();
      load_rows<V>(rows[kx % 2], rows_of_warp + slot * V::kTileBytes, kx);
      multiply_column<V>(sums, rows[kx % 2], memory.weights + slot * V::kWeightBytes, kx);
      if (kx == 0 && !first) loader.load(a, memory, true, true);
    }
    first = false;
    if (++slot == V::kSlots) slot = 0, parity ^= 1;
  };

  for (int number = static_cast<int>(blockIdx.x); number < a.n * a.rows * a.columns;
       number += static_cast<int>(gridDim.x)) {
    start_with_bias<V>(sums, a.epilogue.bias);
#pragma unroll
    for (int row = 0; row < V::kRows; ++row) gpu::pin(sums[row]);
#pragma unroll 1
    for (int step = 0; step < V::kSteps; ++step) do_step();
    finish_tile<V>(sums, PatchTile(a, number, V::kTileH), a);
  }
}

constexpr int kLaunchTasks = 32;  // as many as the arguments of a launch hold
struct PatchTasks {
  PatchTask of[kLaunchTasks];
};

// blockIdx.y: task; the threads of its blocks take its elements in turns.
// ptxas: pack_patches_kernel registers<=48
template <class T>
__global__ void __launch_bounds__(256) pack_patches_kernel(const __grid_constant__ PatchTasks tasks) {
  const PatchTask& task = tasks.of[blockIdx.y];
  auto* const packed = static_cast<T*>(task.packed);
  const int elements = task.kernel * task.kernel * task.inputs * task.outputs;
  for (int i = static_cast<int>(blockIdx.x * 256 + threadIdx.x); i < elements;
       i += static_cast<int>(gridDim.x) * 256) {
    const PatchWeight<T> w(task.kernel, task.outputs, i);
    const float value = task.view.at(w.out, w.ky, w.kx, w.in);
    if constexpr (sizeof(T) == 4) {
      const uint32_t bits = gpu::to_tf32(value);
      memcpy(packed + i, &bits, sizeof(bits));
    } else {
      packed[i] = gpu::from_float<T>(value);
    }
  }
}

template <class V>
void launch_patches(const ConvRun& run, const void* x, const void* packed, const ConvEpilogue& epilogue,
                    void* y, const ConvDevice& device) {
  using T = typename V::T;
  const int rows = (run.h + V::kTileH - 1) / V::kTileH, columns = (run.w + V::kTileW - 1) / V::kTileW;
  const PatchArgs<T> a{static_cast<const T*>(x),
                       static_cast<const unsigned char*>(packed),
                       static_cast<T*>(y),
                       run.n,
                       run.h,
                       run.w,
                       static_cast<int>(run.x_pitch),
                       static_cast<int>(run.w * run.x_pitch),
                       rows,
                       columns,
                       run.y_pitch,
                       epilogue,
                       device.packed_before};
  const int64_t blocks = std::min<int64_t>(int64_t{run.n} * rows * columns, device.multiprocessors);
  gpu::launch_early(patches_kernel<V>, dim3(static_cast<unsigned>(blocks)), dim3(V::kThreads),
                    V::kSharedBytes, device.stream, a);
}

/// Calls f with the kernel of a shape, if there is one.
template <class T, class F>
bool with_patches(const ConvRun& r, F f) {
  if (!has_short_rows(r) || r.stride != 1 || r.shuffle != 1 || r.oh != r.h || r.ow != r.w || r.kh != r.kw ||
      r.pad_h != r.kh / 2 || r.pad_w != r.kw / 2)
    return false;
  const auto is = [&r](int c, int o, int kernel) { return r.c == c && r.o == o && r.kh == kernel; };
  if (is(64, 64, 3)) return f(PatchConv<T, 64, 64, 3>()), true;
  if (is(64, 48, 3)) return f(PatchConv<T, 64, 48, 3>()), true;
  if (is(48, 32, 3)) return f(PatchConv<T, 48, 32, 3>()), true;
  if (is(32, 64, 3)) return f(PatchConv<T, 32, 64, 3>()), true;
  if (is(48, 64, 3)) return f(PatchConv<T, 48, 64, 3>()), true;
  if (is(48, 80, 3)) return f(PatchConv<T, 48, 80, 3>()), true;
  if (is(80, 64, 1)) return f(PatchConv<T, 80, 64, 1>()), true;
  // Gradients of those for their inputs.
  if (is(32, 48, 3)) return f(PatchConv<T, 32, 48, 3>()), true;
  if (is(64, 32, 3)) return f(PatchConv<T, 64, 32, 3>()), true;
  if (is(80, 48, 3)) return f(PatchConv<T, 80, 48, 3>()), true;
  if (is(64, 80, 1)) return f(PatchConv<T, 64, 80, 1>()), true;
  return false;
}

}  // namespace

template <class T>
bool patches_conv_bytes(const ConvRun& run, int64_t* bytes) {
  return with_patches<T>(run, [&](auto v) { *bytes = decltype(v)::kSteps * decltype(v)::kWeightBytes; });
}

template <class T>
void pack_patches(std::span<const PatchTask> tasks, cudaStream_t stream) {
  constexpr unsigned kBlocks = 32;  // for a task
  while (!tasks.empty()) {
    const auto some = tasks.first(std::min<size_t>(kLaunchTasks, tasks.size()));
    PatchTasks launched{};
    std::copy(some.begin(), some.end(), launched.of);
    gpu::launch(pack_patches_kernel<T>, dim3(kBlocks, static_cast<unsigned>(some.size())), dim3(256), 0,
                stream, launched);
    tasks = tasks.subspan(some.size());
  }
}

template <class T>
void patches_conv(const ConvRun& run, const void* x, const void* packed, const ConvEpilogue& epilogue,
                  void* y, const ConvDevice& device) {
  with_patches<T>(run, [&](auto v) { launch_patches<decltype(v)>(run, x, packed, epilogue, y, device); });
}

}  // namespace sr::cuda
