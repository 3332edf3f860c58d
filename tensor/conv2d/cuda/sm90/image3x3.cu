// IDN's two feature layers in one kernel: 3x3 from a float32 image of one channel to 64, activation, and 3x3
// to 64. While the tensor cores multiply a row of the 64 channels, the float32 units compute the next one
// into the other of two slots. Strips are 62 pixels wide, as in fused3x3.cu.
//
// A thread owns eight channels of four neighbouring pixels. The first layer's weights stay in its registers:
// from shared memory they would be 18 loads of 16 bytes a row, 288 cycles beside the products' 768 and up to
// 320 others, and a row's products take 1284. The image's rows are too narrow for the copy engine
// (pixels may lie apart): threads load a pixel of each, a row ahead, and keep it in a ring of shared memory.
//
// Terms are added in the order of the two kernels: the bits are theirs.
#include "tensor/conv2d/cuda/sm90/image3x3.h"

#include "tensor/conv2d/cuda/image.h"
#include "tensor/conv2d/cuda/operand_types.h"
#include "tensor/conv2d/cuda/sm90/strips_kernel.h"

namespace sr::cuda {
namespace {

constexpr int kGroups = 2, kThreads = 128 * kGroups, kHalo = 2;
constexpr int kChannels = 64, kOwn = 8, kRun = 4, kTaps = 9;  // a thread's channels and pixels
constexpr int kSlots = 2;                                     // of a group: a row is read, the next written
constexpr int kRing = 4, kRingPitch = 68;  // rows of the image and their 66 pixels, in whole units

template <class T>
using Second = StripConv<T, kChannels, kChannels, kGroups>;

template <class T>
struct Image3x3Args {
  const float* x;
  const float* weights;  // of the first, [tap][channel]
  const float* bias;     // of the first, or none
  const void* next_weights;
  const float* next_bias;
  T* y;
  long long x_pitch, y_pitch;
  float leak, next_leak;
  StripPlan plan;
  bool packed_before;
};

template <class T>
struct Image3x3Memory {
  using V = Second<T>;
  static constexpr int kBytes = kGroups * kSlots * V::kSlotBytes + V::kWeightBytes + V::kBiasBytes +
                                kGroups * kRing * kRingPitch * 4 + kChannels * 4 + 64;
  static_assert(kBytes <= V::kMostShared);
  unsigned char* slots;  // whose last two pixels are never written: what they give is not, either
  unsigned char* weights;
  float *next_bias, *ring, *bias;
  gpu::Barrier* barrier;  // the weights'

  GPU_FN explicit Image3x3Memory(gpu::Smem& smem) {
    slots = smem.get<unsigned char>(kGroups * kSlots * V::kSlotBytes, 1024);
    weights = smem.get<unsigned char>(V::kWeightBytes);
    next_bias = smem.get<float>(V::kBiasBytes / 4);
    ring = smem.get<float>(kGroups * kRing * kRingPitch);
    bias = smem.get<float>(kChannels);
    barrier = smem.get<gpu::Barrier>(1);
  }
};

/// A thread's pixel of each row of the ring, from the first row that a segment reads down.
template <class T>
class ImageColumn {
 public:
  GPU_FN ImageColumn(const Image3x3Args<T>& a, const Segment& s) : y_(s.y - kHalo) {
    const int i = static_cast<int>(threadIdx.x) % 128, x = s.x - kHalo + i;
    inside_ = i < kRingPitch - 2 && is_below(x, a.plan.w);
    at_ = (static_cast<long long>(y_) * a.plan.w + x) * a.x_pitch;
  }
  /// Zero outside of the image.
  GPU_FN float next(const Image3x3Args<T>& a) {
    const float v = inside_ && is_below(y_, a.plan.h) ? a.x[at_] : 0.0f;
    ++y_, at_ += a.plan.w * a.x_pitch;
    return v;
  }

 private:
  int y_;
  bool inside_;
  long long at_;
};

template <class Float>
GPU_FN Float* row_of(Float* ring, int row) {
  return ring + (row & (kRing - 1)) * kRingPitch;
}

GPU_FN void keep_pixel(float* ring, int row, float v) {
  const int i = static_cast<int>(threadIdx.x) % 128;
  if (i < kRingPitch) row_of(ring, row)[i] = v;
}

GPU_FN void read_pixels(float (&to)[kRun + 2], const float* from) {
  const float4 four = *reinterpret_cast<const float4*>(from);
  const float2 two = *reinterpret_cast<const float2*>(from + 4);
  to[0] = four.x, to[1] = four.y, to[2] = four.z, to[3] = four.w, to[4] = two.x, to[5] = two.y;
}

/// The first layer's weights and bias of a thread's eight channels, and its place in a row.
struct FirstLayer {
  float weights[kTaps][kOwn];
  int channel, pixel;  // the first ones

  GPU_FN explicit FirstLayer(const float* packed)
      : channel(static_cast<int>(threadIdx.x) % (kChannels / kOwn) * kOwn),
        pixel(static_cast<int>(threadIdx.x) % 128 / (kChannels / kOwn) * kRun) {
#pragma unroll
    for (int k = 0; k < kTaps; ++k) {
#pragma unroll
      for (int i = 0; i < kOwn; ++i) weights[k][i] = packed[k * kChannels + channel + i];
    }
  }

  /// Row `row` of the 64 channels, whose three rows of the image follow from there in the ring, activated
  /// into `slot`: swizzled (gpu::Swizzle::bytes128), with the second's zero padding outside of the image.
  template <class T>
  GPU_FN void compute_row(const float* ring, int row, const float* bias, const Image3x3Args<T>& a,
                          const Segment& s, unsigned char* slot) const {
    float window[3][kRun + 2], b[kOwn];
#pragma unroll
    for (int u = 0; u < 3; ++u) read_pixels(window[u], row_of(ring, row + u) + pixel);
#pragma unroll
    for (int i = 0; i < kOwn; ++i) b[i] = bias[channel + i];
    const bool row_inside = is_below(s.y - 1 + row, a.plan.h);
#pragma unroll
    for (int p = 0; p < kRun; ++p) {
      float sums[kOwn] = {};
#pragma unroll
      for (int k = 0; k < kTaps; ++k) {
#pragma unroll
        for (int i = 0; i < kOwn; ++i) sums[i] = fmaf(window[k / 3][p + k % 3], weights[k][i], sums[i]);
      }
#pragma unroll
      for (int i = 0; i < kOwn; ++i) sums[i] = leaky(sums[i] + b[i], a.leak);
      const uint4 unit = pack_unit<T>(sums);
      const int at = pixel + p;
      const bool inside = row_inside && is_below(s.x - 1 + at, a.plan.w);
      *reinterpret_cast<uint4*>(slot + at * Second<T>::kPixelBytes + ((2 * channel) ^ (at % 8 * 16))) =
          inside ? unit : make_uint4(0, 0, 0, 0);
    }
  }
};

/// Writes a complete row as row `row` of the segment.
template <class T>
GPU_FN void write_row(const Activated<kChannels>& activated, int row, const Image3x3Args<T>& a,
                      const Segment& s) {
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const int i = pixel_of_lane() + 8 * r, x = s.x + i;
    if (i >= a.plan.strip || x >= a.plan.w) continue;
    T* const y = a.y + (static_cast<long long>(s.y + row) * a.plan.w + x) * a.y_pitch;
    store_pixel(
        activated, r, [&](int c) { return y + c; }, [](auto&, int) {});
  }
}

/// Weights and biases to where they stay; by all threads.
template <class T>
GPU_FN void stage(const Image3x3Args<T>& a, const Image3x3Memory<T>& memory) {
  using V = Second<T>;
  if (threadIdx.x == 0) {
    gpu::barrier_init(memory.barrier, 1);
    gpu::barrier_init_done();
    gpu::barrier_expect(memory.barrier, V::kWeightBytes);
    gpu::bulk_copy(memory.weights, a.next_weights, V::kWeightBytes, memory.barrier);
  }
  stage_bias(memory.next_bias, a.next_bias, kChannels, kChannels, kThreads);
  if (threadIdx.x < kChannels) memory.bias[threadIdx.x] = a.bias ? a.bias[threadIdx.x] : 0.0f;
}

/// A segment by the calling group, whose sums are `acc`.
template <class T>
GPU_FN void compute_segment(const Image3x3Args<T>& a, const Image3x3Memory<T>& memory,
                            const FirstLayer& first, int group, const Segment& s,
                            float (&acc)[Second<T>::kSums]) {
  using V = Second<T>;
  unsigned char* const slots = memory.slots + group * kSlots * V::kSlotBytes;
  float* const ring = memory.ring + group * kRing * kRingPitch;
  ImageColumn<T> column(a, s);
  gpu::warpgroup_barrier(1 + group);  // the last segment's rows have been read
#pragma unroll
  for (int row = 0; row < kRing; ++row) keep_pixel(ring, row, column.next(a));
  float pixel = column.next(a);
  gpu::warpgroup_barrier(1 + group);
  first.compute_row(ring, 0, memory.bias, a, s, slots);
  gpu::fence_async();
  gpu::barrier_wait(memory.barrier, 0);
  start_sums<kChannels>(acc, memory.next_bias);

  Activated<kChannels> done;
  const auto do_row = [&](auto phase, int row) {
    constexpr int kPhase = decltype(phase)::value;
    float* const finished = acc + V::finished(kPhase) * (kChannels / 2);
    gpu::warpgroup_barrier(1 + group);  // `row` is in its slot, and the other slot has been multiplied
    gpu::pin(acc);
    multiply_row<V, kPhase>(acc, slots + (row & 1) * V::kSlotBytes, memory.weights);
    if (row >= 3) write_row(done, row - 3, a, s);
    keep_pixel(ring, row + kRing, pixel);  // where the first of the rows was that `row` is made of
    pixel = column.next(a);
    first.compute_row(ring, row + 1, memory.bias, a, s, slots + ((row + 1) & 1) * V::kSlotBytes);
    gpu::fence_async();
    __syncwarp();  // as in roll_strips()
    gpu::wgmma_wait<0>();
    gpu::pin(acc);
    done.template set<T>(finished, a.next_leak);
    start_sums<kChannels>(finished, memory.next_bias);
  };
  const int rows = s.rows - 2;  // of the 64 channels: two more than are written
  for (int row = 0; row < rows; row += 3) {
    do_row(gpu::Int<0>(), row);
    if (row + 1 < rows) do_row(gpu::Int<1>(), row + 1);
    if (row + 2 < rows) do_row(gpu::Int<2>(), row + 2);
  }
  write_row(done, rows - 3, a, s);
}

// ptxas: image3x3_kernel registers<=254
template <class T>
__global__ void __launch_bounds__(kThreads, 1) image3x3_kernel(const __grid_constant__ Image3x3Args<T> a) {
  gpu::Smem smem;
  const Image3x3Memory<T> memory(smem);
  if (!a.packed_before) gpu::wait_for_earlier_kernels();
  stage(a, memory);
  const FirstLayer first(a.weights);
  gpu::wait_for_earlier_kernels();
  gpu::let_later_kernels_start();  // as in roll_strips()
  __syncthreads();

  float acc[Second<T>::kSums];
#pragma unroll
  for (int i = 0; i < Second<T>::kSums; ++i) acc[i] = 0.0f;
  const int group = group_of_thread(), blocks = static_cast<int>(gridDim.x);
  for (int number = group * blocks + static_cast<int>(blockIdx.x); number < a.plan.segments;
       number += kGroups * blocks)
    compute_segment(a, memory, first, group, Segment(a.plan, number), acc);
}

bool is_second(const ConvRun& r) {
  return r.c == kChannels && r.o == kChannels && r.kh == 3 && r.kw == 3 && r.stride == 1 && r.pad_h == 1 &&
         r.pad_w == 1 && r.groups == 1 && r.oh == r.h && r.ow == r.w;
}

// One image is a tile of a scene, and every tile takes the same kernel.
int64_t bytes(const ConvProblem& p, const ConvDevice& device) {
  if (!device.wgmma || p.run.n != 1) return 0;
  int64_t bytes = 0;
  with_half_operand(p.types.math, [&](auto t) {
    using T = decltype(t);
    if (p.types.y != kStorage<T>) return;
    if (p.op == ConvOp::conv2d && p.types.x == DType::f32) bytes = kImage.bytes(p, device);
    if (p.op == ConvOp::next && is_second(p.run)) bytes = Second<T>::kWeightBytes;
  });
  return bytes;
}

void pack(std::span<const PackTask> tasks, const ConvDevice& device) {
  for (PackTask task : tasks) {
    const ConvAlgorithm& alone = task.op == ConvOp::next ? kStrips : kImage;
    task.op = ConvOp::conv2d;
    alone.pack({&task, 1}, device);
  }
}

void conv(const ConvProblem& p, const void* x, const void* packed, const ConvEpilogue& epilogue, void* y,
          const ConvDevice& device) {
  kImage.conv(p, x, packed, epilogue, y, device);
}

bool fuses(const ConvProblem&, int64_t first_added, const ConvProblem& next) {
  return first_added == 0 && next.run.n == 1 && is_second(next.run) && next.y_aligned();
}

template <class T>
void image3x3_conv(const ConvRun& run, const void* x, const void* packed, const ConvEpilogue& epilogue,
                   const ConvNext& next, void* y, const ConvDevice& device) {
  const StripPlan plan(run.h, run.w, device.multiprocessors * kGroups, kHalo);
  const Image3x3Args<T> args{static_cast<const float*>(x),
                             static_cast<const float*>(packed),
                             epilogue.bias,
                             next.packed,
                             next.bias,
                             static_cast<T*>(y),
                             run.x_pitch,
                             next.dims.y_pitch,
                             epilogue.leak,
                             next.leak,
                             plan,
                             device.packed_before};
  gpu::launch_early(image3x3_kernel<T>,
                    dim3(static_cast<unsigned>(std::min(plan.segments, device.multiprocessors))),
                    dim3(kThreads), Image3x3Memory<T>::kBytes, device.stream, args);
}

void conv_then_conv(const ConvProblem& p, const void* x, const void* packed, const ConvEpilogue& epilogue,
                    const ConvNext& next, void* y, const ConvDevice& device) {
  with_half_operand(p.types.math,
                    [&](auto t) { image3x3_conv<decltype(t)>(p.run, x, packed, epilogue, next, y, device); });
}

}  // namespace

const ConvAlgorithm kImage3x3{"image", bytes, pack, conv, nullptr, false, fuses, conv_then_conv};

}  // namespace sr::cuda
