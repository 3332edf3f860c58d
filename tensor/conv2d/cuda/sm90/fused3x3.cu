// The beginning of IDN's block in one kernel: 3x3 from 64 channels to 48, activation, and 3x3 to 32 in 4
// groups. A row of the 48 channels that is complete goes into a slot of shared memory, as the copy engine
// would bring it, and is multiplied with the second's taps as an input row is with the first's. Its 64 pixels
// give 62 of the second, so strips are 62 wide.
//
// The second is computed in two parts: the 16 outputs of two groups are made of 24 inputs, which lie in two
// steps. What is left out are zeros between groups, and sums are added in the order of the two kernels: the
// bits are theirs.
#include "tensor/conv2d/cuda/sm90/strips_kernel.h"

namespace sr::cuda {
namespace {

constexpr int kMiddle = 48, kOut = 32, kParts = 2;
constexpr int kPartOut = 16, kPartIn = 32, kPartBegin = 16;  // inputs from part * kPartBegin on

struct Then3x3 {
  static constexpr int kOutputs = kOut, kColumns = kPartOut, kSlots = 1, kHalo = 2;
  static constexpr int kWeightBytes = kParts * strip_weight_bytes(kPartIn, kPartOut);
};

template <class T>
using First = StripConv<T, 64, kMiddle, 2, Then3x3>;
template <class T>
using Part = StripConv<T, kPartIn, kPartOut, 2>;

template <class T>
struct Fused3x3Args {
  StripParameters parameters;
  T* y;
  long long y_pitch;
  float leak, next_leak;
  StripPlan plan;
};

/// The activated row into `slot`, swizzled (gpu::Swizzle::bytes128), with the second's zero padding where it
/// is outside of the image.
template <class T>
GPU_FN void keep_row(const float* sums, const Fused3x3Args<T>& a, unsigned char* slot,
                     const LanePixels& pixels) {
  const int first = pixel_of_lane(), swizzle = first % 8 * 16;
  const bool row_inside = is_below(pixels.y, a.plan.h);
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    unsigned char* const pixel = slot + (first + 8 * r) * First<T>::kPixelBytes;
    const bool inside = row_inside && pixels.inside[r];
    store_sums<kMiddle, T>(
        sums, r, a.leak, [&](int c) { return pixel + ((2 * c) ^ swizzle); },
        [&](auto& words, int) {
          for (uint32_t& word : words) word = inside ? word : 0;
        });
  }
}

/// A part of the second's row above the kept one, whose columns begin one further on.
template <class T>
GPU_FN void write_row(const float* sums, int part, const Fused3x3Args<T>& a, const LanePixels& pixels) {
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    if (pixel_of_lane() + 8 * r >= a.plan.strip || pixels.x + 1 + 8 * r >= a.plan.w) continue;
    T* const y = a.y + (pixels.first - a.plan.w + 1 + 8 * r) * a.y_pitch + part * kPartOut;
    store_sums<kPartOut, T>(
        sums, r, a.next_leak, [&](int c) { return y + c; }, [](auto&, int) {});
  }
}

// ptxas: fused3x3_kernel registers<=176
template <class T>
__global__ void __launch_bounds__(First<T>::kThreads, 1)
    fused3x3_kernel(const __grid_constant__ gpu::TensorMap map, const __grid_constant__ Fused3x3Args<T> a) {
  using V = Part<T>;
  gpu::Smem smem;
  const StripMemory<First<T>> memory(smem);
  const int group = group_of_thread();
  // Its last two pixels are never written: what they give is not, either.
  unsigned char* const slot = memory.between + group * V::kSlotBytes;
  float acc[kParts][V::kSums];
#pragma unroll
  for (int i = 0; i < V::kSums; ++i) acc[0][i] = acc[1][i] = 0.0f;
  roll_strips<First<T>>(
      a.plan, &map, a.parameters, memory, [](const LanePixels&) {},
      [&](auto phase, const float* sums, const LanePixels& pixels) {
        constexpr int kPhase = decltype(phase)::value;
        // All warps have read the slot's last row: the first's products and their barrier lie between.
        keep_row(sums, a, slot, pixels);
        gpu::fence_async();
        gpu::warpgroup_barrier(1 + group);
#pragma unroll
        for (int part = 0; part < kParts; ++part) {
          start_sums<kPartOut>(acc[part] + kPhase * (kPartOut / 2), memory.then_bias + part * 2 * kPartOut);
          gpu::pin(acc[part]);
          multiply_row<V, kPhase>(acc[part], slot + part * kPartBegin * 2,
                                  memory.then_weights + part * V::kWeightBytes);
        }
        gpu::wgmma_wait<0>();
#pragma unroll
        for (int part = 0; part < kParts; ++part) {
          gpu::pin(acc[part]);
          if (pixels.row >= 2) write_row(acc[part] + V::finished(kPhase) * (kPartOut / 2), part, a, pixels);
        }
      });
}

constexpr int kPartElements = Part<__half>::kWeightBytes / 2;

// ptxas: pack_fused3x3_kernel registers<=40
template <class T>
__global__ void __launch_bounds__(256) pack_fused3x3_kernel(WeightView view, T* packed) {
  const int i = static_cast<int>(blockIdx.x) * 256 + static_cast<int>(threadIdx.x);
  if (i >= kParts * kPartElements) return;
  const int part = i / kPartElements;
  const StripWeight w(kPartIn, kPartOut, i % kPartElements);
  packed[i] = gpu::from_float<T>(view.at(part * kPartOut + w.out, w.ky, w.kx, part * kPartBegin + w.in));
}

}  // namespace

bool takes_fused3x3(const ConvRun& first, const ConvRun& next) {
  return first.n == 1 && first.c == First<__half>::kC && first.o == kMiddle && next.c == kMiddle &&
         next.o == kOut && next.groups == 4 && next.kh == 3 && next.kw == 3 && next.stride == 1 &&
         next.pad_h == 1 && next.pad_w == 1 && next.oh == next.h && next.ow == next.w;
}

int64_t fused3x3_bytes() {
  return Then3x3::kWeightBytes;
}

template <class T>
void pack_fused3x3(const WeightView& weight, T* packed, cudaStream_t stream) {
  gpu::launch(pack_fused3x3_kernel<T>, dim3((kParts * kPartElements + 255) / 256), dim3(256), 0, stream,
              weight, packed);
}

template <class T>
void fused3x3_conv(const ConvRun& run, const void* x, const void* packed, const ConvEpilogue& epilogue,
                   const ConvNext& next, void* y, const ConvDevice& device) {
  using V = First<T>;
  const StripPlan plan(run.h, run.w, device.multiprocessors * V::kGroups, Then3x3::kHalo);
  const gpu::TensorMap map = gpu::image_map(x, sizeof(T), run.n, run.h, run.w, run.c, run.x_pitch,
                                            V::kRowPixels, 1, gpu::Swizzle::bytes128);
  const Fused3x3Args<T> args{{packed, epilogue.bias, next.packed, next.bias, device.packed_before},
                             static_cast<T*>(y),
                             next.dims.y_pitch,
                             epilogue.leak,
                             next.leak,
                             plan};
  gpu::launch_early(fused3x3_kernel<T>,
                    dim3(static_cast<unsigned>(std::min(plan.segments, device.multiprocessors))),
                    dim3(V::kThreads), V::kSharedBytes, device.stream, map, args);
}

template void pack_fused3x3(const WeightView&, __nv_bfloat16*, cudaStream_t);
template void pack_fused3x3(const WeightView&, __half*, cudaStream_t);
template void fused3x3_conv<__nv_bfloat16>(const ConvRun&, const void*, const void*, const ConvEpilogue&,
                                           const ConvNext&, void*, const ConvDevice&);
template void fused3x3_conv<__half>(const ConvRun&, const void*, const void*, const ConvEpilogue&,
                                    const ConvNext&, void*, const ConvDevice&);

}  // namespace sr::cuda
