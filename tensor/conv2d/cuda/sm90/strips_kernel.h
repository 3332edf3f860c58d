// 3x3 convolutions of one image on Hopper's warpgroup matrix products, in strips whose rows roll by: what
// strips.cu, pointwise.cu and fused3x3.cu share.
//
// A group (a warpgroup, 128 threads) goes down a strip of 64 pixels. Rows of 66 pixels arrive one by one, by
// the copy engine, in a ring of slots; one thread of the group asks for them. An input row is multiplied with
// the taps of all three ky in one product of 3 N columns: its sums belong to three output rows, whose
// accumulators lie side by side. The output row above the input row is complete then, and is finished while
// the next row is multiplied. No row is loaded twice but at a segment's ends, and A is read once for three
// taps: three separate products would wait for shared memory.
//
// Which accumulators take which ky rotates from row to row. The weights lie in shared memory as blocks of N
// columns for ky = 2 1 0 2 1, of which every rotation is three neighbouring ones.
//
// A step is 16 input channels, what one product multiplies. A column of the product is an output channel, in
// the order of channel_of. Grouped convolutions are computed with zeros between groups.
#pragma once

#include <algorithm>

#include "tensor/conv2d/cuda/operands.h"
#include "tensor/conv2d/cuda/sm90/columns.h"
#include "tensor/conv2d/cuda/sm90/strips.h"
#include "tensor/cuda/hopper.h"

namespace sr::cuda {

constexpr int kKyBlocks = 5;
GPU_HD constexpr int ky_of_block(int block) {
  return (5 - block) % 3;
}

/// Packed weights' order, [kx][step][k half][block][column][8]: which weight element i is.
struct StripWeight {
  int out, ky, kx, in;

  GPU_HD StripWeight(int inputs, int outputs, int i) {
    const int rows = kKyBlocks * outputs, row = i / 8 % rows, rest = i / 16 / rows, steps = inputs / 16;
    out = channel_of<__half>(outputs, row % outputs), ky = ky_of_block(row / outputs), kx = rest / steps;
    in = rest % steps * 16 + i / 8 / rows % 2 * 8 + i % 8;
  }
};

/// The order of the packed weights of a 1x1 convolution whose input a lane's sums of `inputs` columns become,
/// [step][k half][column][8]: its k is the column of that product.
struct PointwiseWeight {
  int out, in;

  GPU_HD PointwiseWeight(int inputs, int outputs, int i) {
    out = channel_of<__half>(outputs, i / 8 % outputs);
    in = channel_of<__half>(inputs, i / 16 / outputs * 16 + i / 8 / outputs % 2 * 8 + i % 8);
  }
};

constexpr int strip_weight_bytes(int c, int n) {
  return 3 * (c / 16) * 2 * kKyBlocks * n * 16;
}

/// No convolution follows in the same kernel. One that does is computed in parts, each of kPartOutputs
/// outputs as the first of a product's kColumns, and needs slots of each group for rows that it reads; with
/// it a kernel reads kHalo rows and columns around what it writes.
struct ThenNothing {
  static constexpr int kParts = 0, kColumns = 0, kPartOutputs = 0, kWeightBytes = 0, kSlots = 0, kHalo = 1;
};

/// T is the operands' and the storage type, C input channels, N outputs, Groups those of a block.
template <class T_, int C, int N, int Groups, class Then_ = ThenNothing>
struct StripConv {
  using T = T_;
  using Then = Then_;
  static constexpr int kC = C, kN = N, kGroups = Groups, kThreads = 128 * Groups;
  static constexpr int kSteps = C / 16, kSums = 3 * N / 2;
  static constexpr int kStrip = 64, kRowPixels = kStrip + 2, kPixelBytes = 128;  // 64 channels, or zeros
  static constexpr int kRowBytes = kRowPixels * kPixelBytes;
  static constexpr int kSlotBytes = (kRowBytes + 1023) / 1024 * 1024;
  static constexpr int kHalfBytes = kKyBlocks * N * 16;  // weights: from one k half to the other
  static constexpr int kWeightBytes = strip_weight_bytes(C, N), kBiasBytes = 2 * N * 4;
  static constexpr int kThenBiasBytes = 2 * Then::kParts * Then::kColumns * 4;
  static constexpr int kParameterBytes = kWeightBytes + kBiasBytes + Then::kWeightBytes + kThenBiasBytes;
  static constexpr int kMostShared = 227 * 1024, kBarrierBytes = 256;
  static constexpr int kDepth =  // slots of a group: rows that are on their way
      std::min(6, (kMostShared - kParameterBytes - kBarrierBytes) / (Groups * kSlotBytes) - Then::kSlots);
  static constexpr int kSlots = Groups * (kDepth + Then::kSlots);  // a block's
  static constexpr int kSharedBytes = kSlots * kSlotBytes + kParameterBytes + kBarrierBytes;
  static_assert(C % 16 == 0 && C <= 64 && N % 16 == 0 && 3 * N <= 256);
  static_assert(kDepth >= 2 && 8 * (Groups * kDepth + 1) <= kBarrierBytes && kSharedBytes <= kMostShared);

  /// The descriptor of a row's pixels from kx on for this step, without the slot's address.
  GPU_HD static constexpr uint64_t a(int kx, int step) {
    return gpu::matrix_descriptor(gpu::Swizzle::bytes128, 16, 1024) +
           gpu::matrix_start(static_cast<uint32_t>(kx * kPixelBytes + step * 32));
  }
  /// The descriptor of the weights for this kx and step from `block`, without the weights' address.
  GPU_HD static constexpr uint64_t b(int kx, int step, int block) {
    return gpu::matrix_descriptor(gpu::Swizzle::none, kHalfBytes, 128) +
           gpu::matrix_start(static_cast<uint32_t>((kx * kSteps + step) * 2 * kHalfBytes + block * N * 16));
  }
  /// With input row i of a segment, phase i % 3: the first block of weights; accumulators `phase` begin with
  /// this row, and those of finished() end with it.
  GPU_HD static constexpr int first_block(int phase) { return 2 - phase; }
  GPU_HD static constexpr int finished(int phase) { return (phase + 1) % 3; }
};

/// An image's way through the groups: strips are cut into segments of `length` output rows.
struct StripPlan {
  int h, w;
  int halo, strip;  // Then::kHalo, and output pixels of 66 that are read
  int per_strip, length, segments;
  int most_rows;  // that a group reads

  /// So that the most burdened of the groups has the fewest rows. A segment reads 2 halo rows more than it
  /// writes.
  StripPlan(int image_h, int image_w, int groups, int halo_pixels = ThenNothing::kHalo);
};

struct Segment {
  int x, y, rows;  // input rows, 2 halo more than output rows

  GPU_FN Segment(const StripPlan& plan, int number) {
    x = number / plan.per_strip * plan.strip, y = number % plan.per_strip * plan.length;
    rows = min(plan.length, plan.h - y) + 2 * plan.halo;
  }
};

/// The rows that a group takes, in their order: all of a segment, then those of the next one.
struct StripRows {
  int number, ahead;
  Segment segment;
  int row = 0;

  GPU_FN StripRows(const StripPlan& plan, int first, int step)
      : number(first), ahead(step), segment(plan, first) {}

  GPU_FN bool any(const StripPlan& plan) const { return number < plan.segments; }
  GPU_FN void go_on(const StripPlan& plan) {
    if (++row < segment.rows) return;
    row = 0, number += ahead;
    segment = Segment(plan, number);
  }
  /// Starts this row's copy, if there is one, and goes on: for the one thread that asks for rows.
  GPU_FN void load(const StripPlan& plan, const gpu::TensorMap* map, void* slot, gpu::Barrier* barrier,
                   int row_bytes) {
    if (!any(plan)) return;
    gpu::barrier_expect(barrier, static_cast<uint32_t>(row_bytes));
    gpu::tensor_copy(slot, map, barrier, 0, segment.x - plan.halo, segment.y - plan.halo + row, 0);
    go_on(plan);
  }
};

/// Biases of the first `outputs` columns as a lane's sums begin with them, [columns / 8][lane % 4] of b0 b1
/// b0 b1: by all threads.
GPU_FN void stage_bias(float* staged, const float* bias, int columns, int outputs, int threads) {
  for (int i = static_cast<int>(threadIdx.x); i < 2 * columns; i += threads) {
    const int channel = channel_of<__half>(columns, i / 16 * 8 + i / 4 % 4 * 2 + i % 2);
    staged[i] = bias && channel < outputs ? bias[channel] : 0.0f;
  }
}

template <int N>
GPU_FN void start_sums(float* d, const float* staged_bias) {
  const float* const from = staged_bias + threadIdx.x % 4 * 4;
#pragma unroll
  for (int j = 0; j < N / 8; ++j) {
    const float4 v = *reinterpret_cast<const float4*>(from + 16 * j);
    d[4 * j] = v.x, d[4 * j + 1] = v.y, d[4 * j + 2] = v.z, d[4 * j + 3] = v.w;
  }
}

/// A lane's activated sums of N columns, for its pixels 0 and 1: words of columns 8j + 2t and 8j + 2t + 1.
template <int N>
struct Activated {
  uint32_t words[2][N / 8];

  template <class T>
  GPU_FN void set(const float* sums, float leak) {
#pragma unroll
    for (int j = 0; j < N / 8; ++j) {
#pragma unroll
      for (int r = 0; r < 2; ++r) {
        const float* const from = sums + 4 * j + 2 * r;
        words[r][j] = gpu::pack2<T>(leaky(from[0], leak), leaky(from[1], leak));
      }
    }
  }
};

/// Stores the channels of a lane's pixel r (0 or 1) from c on to at(c). end(words, c) may change them before.
template <int N, class At, class End>
GPU_FN void store_pixel(const Activated<N>& activated, int r, At at, End end) {
  const int t = static_cast<int>(threadIdx.x) % 4;
  const auto store = [&](auto words, int j, int c) {
    uint32_t v[decltype(words)::value];
#pragma unroll
    for (int i = 0; i < words; ++i) v[i] = activated.words[r][j + i];
    end(v, c);
    store_words<decltype(words)::value>(at(c), v);
  };
#pragma unroll
  for (int part = 0; part < N / 32; ++part) store(gpu::Int<4>(), 4 * part, 32 * part + 8 * t);
  if constexpr (N % 32 == 16) store(gpu::Int<2>(), N / 8 - 2, N / 32 * 32 + 4 * t);
}

/// Products of one input row with all taps, begun and not waited for.
template <class V, int Phase>
GPU_FN void multiply_row(float (&acc)[V::kSums], const void* slot, const void* weights) {
  const uint64_t a = gpu::matrix_start(gpu::shared_address(slot)),
                 b = gpu::matrix_start(gpu::shared_address(weights));
  gpu::wgmma_fence();
#pragma unroll
  for (int kx = 0; kx < 3; ++kx) {
#pragma unroll
    for (int k = 0; k < V::kSteps; ++k) {
      gpu::wgmma_ss<typename V::T, 3 * V::kN>(acc, V::a(kx, k) + a, V::b(kx, k, V::first_block(Phase)) + b);
    }
  }
  gpu::wgmma_commit();
}

/// What a kernel multiplies with and adds: packed weights and biases (which may be none), also of the
/// convolution that follows.
struct StripParameters {
  const void* weights;
  const float* bias;
  const void* then_weights;
  const float* then_bias;
  float leak;
  bool packed_before;  // see ConvDevice
};

/// A block's shared memory.
template <class V>
struct StripMemory {
  unsigned char *slots, *between, *weights, *then_weights;
  float *bias, *then_bias;
  gpu::Barrier* barriers;  // the weights', then one for each slot

  GPU_FN explicit StripMemory(gpu::Smem& smem) {
    slots = smem.get<unsigned char>(V::kSlots * V::kSlotBytes, 1024);
    between = slots + V::kGroups * V::kDepth * V::kSlotBytes;
    weights = smem.get<unsigned char>(V::kWeightBytes);
    then_weights = smem.get<unsigned char>(V::Then::kWeightBytes);
    bias = smem.get<float>(V::kBiasBytes / 4);
    then_bias = smem.get<float>(V::kThenBiasBytes / 4);
    barriers = smem.get<gpu::Barrier>(V::kBarrierBytes / 8);
  }

  /// By all threads, before a barrier of the block.
  GPU_FN void stage_biases(const StripParameters& p) const {
    stage_bias(bias, p.bias, V::kN, V::kN, V::kThreads);
    using Then = typename V::Then;
    for (int part = 0; part < Then::kParts; ++part)
      stage_bias(then_bias + part * 2 * Then::kColumns,
                 p.then_bias ? p.then_bias + part * Then::kPartOutputs : nullptr, Then::kColumns,
                 Then::kPartOutputs, V::kThreads);
  }
  /// By one thread.
  GPU_FN void copy_weights(const StripParameters& p) const {
    constexpr int kThenBytes = V::Then::kWeightBytes;
    gpu::barrier_expect(barriers, V::kWeightBytes + kThenBytes);
    gpu::bulk_copy(weights, p.weights, V::kWeightBytes, barriers);
    if constexpr (kThenBytes > 0) gpu::bulk_copy(then_weights, p.then_weights, kThenBytes, barriers);
  }
};

/// The compiler then knows that all lanes share it.
GPU_FN int group_of_thread() {
  return __shfl_sync(0xffffffffu, static_cast<int>(threadIdx.x) / 128, 0);
}

/// The first of a lane's two pixels among its group's 64.
GPU_FN int pixel_of_lane() {
  return static_cast<int>(threadIdx.x) / 32 % 4 * 16 + static_cast<int>(threadIdx.x) % 32 / 4;
}

/// Whether 0 <= i < n.
GPU_FN bool is_below(int i, int n) {
  return static_cast<unsigned>(i) < static_cast<unsigned>(n);
}

/// Where a lane's sums of a row lie: pixel `first` and the eighth after it.
struct LanePixels {
  int row = -1;  // of those that the segment computes; less than 0: none is complete
  int x = 0, y = 0;
  long long first = 0;  // y * w + x
  bool inside[2] = {};  // the image's columns

  LanePixels() = default;
  /// With the segment's first input row, two before the first one that is complete.
  GPU_FN LanePixels(const StripPlan& plan, const Segment& s)
      : row(-2), x(s.x - plan.halo + 1 + pixel_of_lane()), y(s.y - plan.halo - 1) {
    first = static_cast<long long>(y) * plan.w + x;
    inside[0] = is_below(x, plan.w), inside[1] = is_below(x + 8, plan.w);
  }

  GPU_FN void go_on(const StripPlan& plan) { ++row, ++y, first += plan.w; }
};

/// Takes the block's groups through the image. With every input row a row of sums is finished whose last
/// products came with the row before: finish(phase, activated sums, pixels) is called while this row's
/// products go on, then before(pixels), which may load what will be added to the row that they complete.
/// Phases rotate with the rows.
template <class V, class Before, class Finish>
GPU_FN void roll_strips(const StripPlan& plan, const gpu::TensorMap* map, const StripParameters& parameters,
                        const StripMemory<V>& memory, Before before, Finish finish) {
  const int thread = static_cast<int>(threadIdx.x), group = group_of_thread();
  const bool leader = thread % 128 == 0;
  unsigned char* const slots = memory.slots + group * V::kDepth * V::kSlotBytes;
  gpu::Barrier* const arrived = memory.barriers + 1 + group * V::kDepth;

  if (thread == 0) {
    for (int i = 0; i < 1 + V::kGroups * V::kDepth; ++i) gpu::barrier_init(memory.barriers + i, 1);
    gpu::barrier_init_done();
  }
  if (!parameters.packed_before) gpu::wait_for_earlier_kernels();
  if (thread == 0) memory.copy_weights(parameters);
  memory.stage_biases(parameters);
  gpu::wait_for_earlier_kernels();
  gpu::let_later_kernels_start();  // not before the wait: what was packed before this kernel is there for
                                   // them
  __syncthreads();

  const int first = group * static_cast<int>(gridDim.x) + static_cast<int>(blockIdx.x);
  const int ahead = V::kGroups * static_cast<int>(gridDim.x);
  StripRows asked(plan, first, ahead);
  if (leader) {
    for (int i = 0; i < V::kDepth; ++i) {
      asked.load(plan, map, slots + i * V::kSlotBytes, arrived + i, V::kRowBytes);
    }
  }
  __syncwarp();
  gpu::barrier_wait(memory.barriers, 0);

  float acc[V::kSums];
#pragma unroll
  for (int i = 0; i < V::kSums; ++i) acc[i] = 0.0f;
  start_sums<V::kN>(acc, memory.bias);
  Activated<V::kN> complete{};
  LanePixels pixels;
  StripRows rows(plan, first, ahead);
  int slot = 0;
  uint32_t parity = 0;

  const auto do_row = [&](auto phase) {
    constexpr int kPhase = decltype(phase)::value;
    float* const done = acc + V::finished(kPhase) * (V::kN / 2);
    const bool any = rows.any(plan);
    gpu::pin(acc);
    if (any) {
      gpu::barrier_wait(arrived + slot, parity);
      multiply_row<V, kPhase>(acc, slots + slot * V::kSlotBytes, memory.weights);
    }
    finish(phase, complete, pixels);
    if (rows.row == 0)
      pixels = LanePixels(plan, rows.segment);
    else
      pixels.go_on(plan);
    before(pixels);
    __syncwarp();  // lanes outside of the image have gone other ways; products want whole warps
    gpu::wgmma_wait<0>();
    gpu::pin(acc);
    gpu::warpgroup_barrier(1 + group);  // the slot has been read by all four warps
    if (leader) asked.load(plan, map, slots + slot * V::kSlotBytes, arrived + slot, V::kRowBytes);
    __syncwarp();
    if (++slot == V::kDepth) slot = 0, parity ^= 1;
    complete.template set<typename V::T>(done, parameters.leak);
    start_sums<V::kN>(done, memory.bias);
    rows.go_on(plan);
    return any;
  };
  // Phases go on from segment to segment, which so begin without accumulators of their own; and a last row
  // that is none finishes the one before. Written otherwise, ptxas serializes the products.
  while (true) {
    if (!do_row(gpu::Int<0>())) return;
    if (!do_row(gpu::Int<1>())) return;
    if (!do_row(gpu::Int<2>())) return;
  }
}

}  // namespace sr::cuda
