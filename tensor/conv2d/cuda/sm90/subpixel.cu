// Down a strip of 64 coarse pixels rows roll by: each is multiplied with all rows of taps at once, so that an
// accumulator is a phase of one of kTaps rows of results. After a row one of them is complete, and the others
// move on by a row of taps, from register to register: columns of the product are ordered so that a lane has
// all rows of taps of its phases. A group of four warps has its strip and its ring of rows for itself; while
// one writes, another multiplies. A value's terms come in the order of its taps, whatever the strip.
#include "tensor/conv2d/cuda/sm90/subpixel.h"

#include <algorithm>

#include "tensor/conv2d/cuda/operand_types.h"
#include "tensor/conv2d/cuda/values.h"
#include "tensor/conv2d/cuda/weights.h"
#include "tensor/cuda/hopper.h"

namespace sr::cuda {
namespace {

constexpr int kPackThreads = 256;

template <int Taps, int Factor>
struct Strips {
  static constexpr int kTaps = Taps, kFactor = Factor, kPhases = Factor * Factor, kInputs = 64, kSteps = 4;
  static constexpr int kGroups = 2, kThreads = 128 * kGroups, kSlots = 4;
  static constexpr int kWidth = 64, kRead = kWidth + Taps - 1;  // pixels of a strip
  static constexpr int kRowBytes = kRead * 128, kSlotBytes = (kRowBytes + 1023) / 1024 * 1024;
  // A lane's phases are t, t + 4, ...; for each it has kTaps accumulators, one for each row of taps.
  static constexpr int kLanePhases = (kPhases + 3) / 4, kOwn = (kLanePhases * Taps + 1) / 2 * 2,
                       kColumns = 4 * kOwn;
  static constexpr int kStepBytes = 32 * kColumns, kWeightBytes = Taps * kSteps * kStepBytes;
  static constexpr int kSharedBytes =
      kWeightBytes + kGroups * kSlots * (kSlotBytes + static_cast<int>(sizeof(gpu::Barrier))) + 1024;
  using Acc = float[kColumns / 2];
  /// Where a lane has what row `tap` of taps gives to its phase number `p`, of pixels 16 w + 8 half + g.
  GPU_HD static constexpr int at(int p, int tap, int half) {
    const int own = p * Taps + tap;
    return 4 * (own / 2) + 2 * half + own % 2;
  }
};

struct StripsArgs {
  const void* packed;
  void* y;
  DType to;
  ConvRun r;
  ConvEpilogue epilogue;
  int columns, segments, rows;  // strips beside each other and below each other, and the rows of one
};

// A thread per element, in the order [column of taps][k step][half of it][8 columns][column][8 inputs].
// ptxas: pack_subpixel_strips_kernel registers<=40 shared<=0
template <class T, class C>
__global__ void __launch_bounds__(kPackThreads) pack_subpixel_strips_kernel(WeightView view, T* packed) {
  const int i = static_cast<int>(blockIdx.x) * kPackThreads + static_cast<int>(threadIdx.x);
  if (i >= C::kWeightBytes / 2) return;
  const int in_half = i % 8, column = i / 8 % C::kColumns, half = i / (8 * C::kColumns) % 2,
            step = i / (16 * C::kColumns) % C::kSteps, tap_column = i / (16 * C::kColumns * C::kSteps);
  const int own = column / 8 * 2 + column % 2, phase = own / C::kTaps * 4 + column % 8 / 2;
  const bool real = own < C::kLanePhases * C::kTaps && phase < C::kPhases;
  packed[i] = gpu::from_float<T>(
      real ? view.at(phase, own % C::kTaps, tap_column, 16 * step + 8 * half + in_half) : 0.0f);
}

/// Adds the products of a row of pixels.
template <class T, class C>
GPU_FN void multiply_row(typename C::Acc& acc, const void* pixels, const void* weights) {
  const uint64_t a = gpu::matrix_descriptor(gpu::Swizzle::bytes128, 0, 1024) +
                     gpu::matrix_start(gpu::shared_address(pixels)),
                 b = gpu::matrix_descriptor(gpu::Swizzle::none, 16 * C::kColumns, 128) +
                     gpu::matrix_start(gpu::shared_address(weights));
  gpu::pin(acc);  // what move_on() did comes before the fence
  gpu::wgmma_fence();
#pragma unroll
  for (int column = 0; column < C::kTaps; ++column) {
#pragma unroll
    for (int step = 0; step < C::kSteps; ++step)
      gpu::wgmma_ss<T, C::kColumns>(acc, a + gpu::matrix_start(128 * column + 32 * step),
                                    b + gpu::matrix_start((column * C::kSteps + step) * C::kStepBytes));
  }
  gpu::wgmma_commit();
  gpu::wgmma_wait<0>();
  gpu::pin(acc);
}

/// Writes the row of coarse pixels that has met all rows of taps.
template <class C>
GPU_FN void write_row(const typename C::Acc& acc, const StripsArgs& a, int image, int coarse_row, int x0) {
  const ConvRun& r = a.r;
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32 % 4;
#pragma unroll
  for (int p = 0; p < C::kLanePhases; ++p) {
    const int phase = 4 * p + lane % 4, row = coarse_row * C::kFactor + phase / C::kFactor;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int coarse_column = x0 + 16 * warp + 8 * half + lane / 4,
                column = coarse_column * C::kFactor + phase % C::kFactor;
      if (phase < C::kPhases && row < r.y_h && coarse_column < r.ow && column < r.y_w)
        finish_value(acc[C::at(p, C::kTaps - 1, half)], a.epilogue, a.y, a.to,
                     (static_cast<long long>(image) * r.y_h + row) * r.y_w + column, r.y_pitch, 0);
    }
  }
}

/// What a row of taps gave is now for the next one.
template <class C>
GPU_FN void move_on(typename C::Acc& acc) {
#pragma unroll
  for (int p = 0; p < C::kLanePhases; ++p) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
#pragma unroll
      for (int tap = C::kTaps - 1; tap > 0; --tap) acc[C::at(p, tap, half)] = acc[C::at(p, tap - 1, half)];
      acc[C::at(p, 0, half)] = 0;
    }
  }
}

// ptxas: subpixel_strips_kernel registers<=128
template <class T, class C>
__global__ void __launch_bounds__(C::kThreads, 1)
    subpixel_strips_kernel(const __grid_constant__ gpu::TensorMap x, const __grid_constant__ StripsArgs a) {
  gpu::Smem shared;
  auto* const slots = shared.get<unsigned char>(C::kGroups * C::kSlots * C::kSlotBytes, 1024);
  auto* const weights = shared.get<unsigned char>(C::kWeightBytes, 128);
  auto* const barriers = shared.get<gpu::Barrier>(C::kGroups * C::kSlots + 1);
  const int group = __shfl_sync(0xffffffffu, static_cast<int>(threadIdx.x) / 128,
                                0);           // for the compiler: all lanes share it
  const bool leads = threadIdx.x % 128 == 0;  // asks for the group's rows
  gpu::Barrier* const weights_there = barriers + C::kGroups * C::kSlots;
  if (threadIdx.x == 0) {
    for (int i = 0; i <= C::kGroups * C::kSlots; ++i) gpu::barrier_init(barriers + i, 1);
    gpu::barrier_init_done();
  }
  gpu::wait_for_earlier_kernels();
  gpu::let_later_kernels_start();  // not before the wait: see ConvDevice::packed_before
  __syncthreads();
  if (threadIdx.x == 0) {
    gpu::barrier_expect(weights_there, C::kWeightBytes);
    gpu::bulk_copy(weights, a.packed, C::kWeightBytes, weights_there);
  }
  unsigned char* const ring = slots + group * C::kSlots * C::kSlotBytes;
  gpu::Barrier* const there = barriers + group * C::kSlots;
  const int strips = a.r.n * a.columns * a.segments;
  int first = 0;  // the number of a strip's first row among all that the group has read
  for (int strip = group * static_cast<int>(gridDim.x) + static_cast<int>(blockIdx.x); strip < strips;
       strip += static_cast<int>(gridDim.x) * C::kGroups) {
    const int x0 = strip % a.columns * C::kWidth, y0 = strip / a.columns % a.segments * a.rows,
              image = strip / (a.columns * a.segments);
    const int rows = min(a.rows, a.r.oh - y0) + C::kTaps - 1;  // that are read
    const auto ask_for = [&](int row) {
      const int slot = (first + row) % C::kSlots;
      gpu::barrier_expect(there + slot, C::kRowBytes);
      gpu::tensor_copy(ring + slot * C::kSlotBytes, &x, there + slot, 0, x0 - a.r.pad_w, y0 - a.r.pad_h + row,
                       image);
    };
    if (leads)
      for (int row = 0; row < min(rows, C::kSlots); ++row) ask_for(row);
    __syncwarp();  // products want whole warps
    gpu::barrier_wait(weights_there, 0);
    typename C::Acc acc;
#pragma unroll
    for (float& v : acc) v = 0;
#pragma unroll 1
    for (int row = 0; row < rows; ++row) {
      const int slot = (first + row) % C::kSlots;
      gpu::barrier_wait(there + slot, (first + row) / C::kSlots % 2);
      multiply_row<T, C>(acc, ring + slot * C::kSlotBytes, weights);
      gpu::warpgroup_barrier(1 + group);  // all four warps have read the row
      if (leads && row + C::kSlots < rows) ask_for(row + C::kSlots);
      if (row >= C::kTaps - 1) write_row<C>(acc, a, image, y0 + row - (C::kTaps - 1), x0);
      move_on<C>(acc);
      __syncwarp();
    }
    first += rows;
  }
}

/// Rows of results that each strip of a column has, `columns` of them beside each other in all images. A
/// strip reads kTaps - 1 rows more, so there are no more of them than groups, if that can be; and only one
/// for each multiprocessor where they would be so short that a group alone, though it waits a sixth of its
/// time, is sooner done.
template <class C>
int rows_of_strip(int height, int columns, int multiprocessors) {
  int best = height;
  int64_t least = INT64_MAX;
  for (int groups = 1; groups <= C::kGroups; ++groups) {
    const int below = std::clamp(groups * multiprocessors / columns, 1, height),
              rows = (height + below - 1) / below;
    const int64_t cost = int64_t{rows + C::kTaps - 1} * (6 * groups + 1);
    if (cost < least) least = cost, best = rows;
  }
  return best;
}

/// Calls f(Strips<...>()) for the kernel of this shape; false if there is none.
template <class F>
bool with_strips(const ConvRun& r, F f) {
  if (r.c != 64 || r.kh != r.kw || r.o != r.shuffle * r.shuffle) return false;
  if (r.kh == 9 && r.shuffle == 2) return f(Strips<9, 2>()), true;
  if (r.kh == 6 && r.shuffle == 3) return f(Strips<6, 3>()), true;
  if (r.kh == 5 && r.shuffle == 4) return f(Strips<5, 4>()), true;
  return false;
}

// One image is a tile of a scene, and every tile takes the same kernel.
int64_t bytes(const ConvProblem& p, const ConvDevice& device) {
  int64_t bytes = 0;
  if (device.wgmma && p.aligned() && p.run.n == 1 && p.op == ConvOp::grad_input)
    with_half_operand(p.types.math, [&](auto t) {
      if (p.types.y == kStorage<decltype(t)>)
        with_strips(p.run, [&](auto c) { bytes = decltype(c)::kWeightBytes; });
    });
  return bytes;
}

void pack(std::span<const PackTask> tasks, const ConvDevice& device) {
  for (const PackTask& task : tasks) {
    const WeightView view = weight_view(task.op, task.dims, task.weight);
    with_half_operand(task.types.math, [&](auto t) {
      using T = decltype(t);
      with_strips(conv_run(task.op, task.dims), [&](auto c) {
        using C = decltype(c);
        constexpr unsigned kBlocks = (C::kWeightBytes / 2 + kPackThreads - 1) / kPackThreads;
        gpu::launch(pack_subpixel_strips_kernel<T, C>, dim3(kBlocks), dim3(kPackThreads), 0, device.stream,
                    view, static_cast<T*>(task.packed));
      });
    });
  }
}

template <class T, class C>
void launch_strips(const ConvProblem& p, const void* x, const void* packed, const ConvEpilogue& epilogue,
                   void* y, const ConvDevice& device) {
  const ConvRun& r = p.run;
  const gpu::TensorMap map =
      gpu::image_map(x, 2, r.n, r.h, r.w, C::kInputs, r.x_pitch, C::kRead, 1, gpu::Swizzle::bytes128);
  const int columns = (r.ow + C::kWidth - 1) / C::kWidth,
            rows = rows_of_strip<C>(r.oh, columns * r.n, device.multiprocessors),
            segments = (r.oh + rows - 1) / rows, strips = r.n * columns * segments;
  const StripsArgs a{packed, y, p.written(), r, epilogue, columns, segments, rows};
  gpu::launch_early(subpixel_strips_kernel<T, C>,
                    dim3(static_cast<unsigned>(std::min(strips, device.multiprocessors))), dim3(C::kThreads),
                    C::kSharedBytes, device.stream, map, a);
}

void conv(const ConvProblem& p, const void* x, const void* packed, const ConvEpilogue& epilogue, void* y,
          const ConvDevice& device) {
  with_half_operand(p.types.math, [&](auto t) {
    with_strips(p.run,
                [&](auto c) { launch_strips<decltype(t), decltype(c)>(p, x, packed, epilogue, y, device); });
  });
}

}  // namespace

const ConvAlgorithm kSubpixelStrips{"subpixel_strips", bytes, pack, conv, nullptr};

}  // namespace sr::cuda
