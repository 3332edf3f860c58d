// Pairs of convolutions of IDN's block in one kernel each: a 3x3, activation, and the 3x3 in 4 groups that
// follows: its beginning (64 channels to 48 to 32) and its middle (48 to 64 to 48). A row of the channels
// between that is complete goes into a slot of shared memory, as the copy engine would bring it, and is
// multiplied with the second's taps as an input row is with the first's. Its 64 pixels give 62 of the second,
// so strips are 62 wide.
//
// The second is computed in parts of 16 columns, each from the inputs that its groups are among. What is left
// out are zeros between groups, and sums are added in the order of the two kernels: the bits are theirs.
#include "tensor/conv2d/cuda/sm90/strips_kernel.h"

namespace sr::cuda {
namespace {

constexpr int kPartColumns = 16, kPartBegin = 16;  // a part's inputs from part * kPartBegin on

/// The second in Parts parts, each PartOutputs outputs from PartInputs inputs.
template <int Parts, int PartInputs, int PartOutputs>
struct Then3x3 {
  static constexpr int kParts = Parts, kPartInputs = PartInputs, kPartOutputs = PartOutputs;
  static constexpr int kColumns = kPartColumns, kSlots = 1, kHalo = 2;
  static constexpr int kPartBytes = strip_weight_bytes(PartInputs, kColumns),
                       kWeightBytes = Parts * kPartBytes;
  static constexpr int kInputs = kPartBegin * (Parts - 1) + PartInputs;

  template <class T>
  using Part = StripConv<T, PartInputs, kColumns, 2>;
};

template <class T, int Inputs, class Then>
using Fused = StripConv<T, Inputs, Then::kInputs, 2, Then>;

template <class T>
struct Fused3x3Args {
  StripParameters parameters;
  T* y;
  long long y_pitch;
  float next_leak;
  StripPlan plan;
};

/// 64 channels of a pixel into its 128 bytes at `place`. Eight lanes store halves of two pixels at a time:
/// odd ones begin with the upper half, so that all banks are used.
GPU_FN void keep_64(const uint32_t (&words)[8], bool inside, unsigned char* place, int pixel) {
  const bool odd = pixel % 2 == 1;
  const int unit = static_cast<int>(threadIdx.x) % 4 * 16, swizzle = pixel % 8 * 16;
  uint32_t first[4], second[4];
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const uint32_t low = inside ? words[i] : 0, high = inside ? words[4 + i] : 0;
    first[i] = odd ? high : low, second[i] = odd ? low : high;
  }
  store_words<4>(place + ((unit + (odd ? 64 : 0)) ^ swizzle), first);
  store_words<4>(place + ((unit + (odd ? 0 : 64)) ^ swizzle), second);
}

/// The activated row into `slot`, swizzled (gpu::Swizzle::bytes128), with the second's zero padding where it
/// is outside of the image.
template <class V>
GPU_FN void keep_row(const Activated<V::kN>& activated, const StripPlan& plan, unsigned char* slot,
                     const LanePixels& pixels) {
  const bool row_inside = is_below(pixels.y, plan.h);
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const int pixel = pixel_of_lane() + 8 * r, swizzle = pixel % 8 * 16;
    unsigned char* const place = slot + pixel * V::kPixelBytes;
    const bool inside = row_inside && pixels.inside[r];
    if constexpr (V::kN == 64) {
      keep_64(activated.words[r], inside, place, pixel);
    } else {
      store_pixel(
          activated, r, [&](int c) { return place + ((2 * c) ^ swizzle); },
          [&](auto& words, int) {
            for (uint32_t& word : words) word = inside ? word : 0;
          });
    }
  }
}

/// A part of the second's row above the kept one, whose columns begin one further on. A lane has four
/// channels, or none where the part has fewer outputs than columns.
template <class V>
GPU_FN void write_row(const float* sums, int part, const Fused3x3Args<typename V::T>& a,
                      const LanePixels& pixels) {
  constexpr int kOutputs = V::Then::kPartOutputs;
  const bool has_outputs = 4 * (static_cast<int>(threadIdx.x) % 4) < kOutputs;
  Activated<kPartColumns> activated;
  activated.set<typename V::T>(sums, a.next_leak);
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    if (!has_outputs || pixel_of_lane() + 8 * r >= a.plan.strip || pixels.x + 1 + 8 * r >= a.plan.w) continue;
    auto* const y = a.y + (pixels.first - a.plan.w + 1 + 8 * r) * a.y_pitch + part * kOutputs;
    store_pixel(
        activated, r, [&](int c) { return y + c; }, [](auto&, int) {});
  }
}

// ptxas: fused3x3_kernel registers<=232
template <class V>
__global__ void __launch_bounds__(V::kThreads, 1)
    fused3x3_kernel(const __grid_constant__ gpu::TensorMap map,
                    const __grid_constant__ Fused3x3Args<typename V::T> a) {
  using Then = typename V::Then;
  using Part = typename Then::template Part<typename V::T>;
  gpu::Smem smem;
  const StripMemory<V> memory(smem);
  const int group = group_of_thread();
  // Its last two pixels are never written: what they give is not, either.
  unsigned char* const slot = memory.between + group * V::kSlotBytes;
  float acc[Then::kParts][Part::kSums];
#pragma unroll
  for (auto& part : acc) {
#pragma unroll
    for (float& sum : part) sum = 0.0f;
  }
  roll_strips<V>(
      a.plan, &map, a.parameters, memory, [](const LanePixels&) {},
      [&](auto phase, const Activated<V::kN>& activated, const LanePixels& pixels) {
        constexpr int kPhase = decltype(phase)::value;
        // All warps have read the slot's last row: the first's products and their barrier lie between.
        keep_row<V>(activated, a.plan, slot, pixels);
        gpu::fence_async();
        gpu::warpgroup_barrier(1 + group);
#pragma unroll
        for (int part = 0; part < Then::kParts; ++part) {
          start_sums<kPartColumns>(acc[part] + kPhase * (kPartColumns / 2),
                                   memory.then_bias + part * 2 * kPartColumns);
          gpu::pin(acc[part]);
          multiply_row<Part, kPhase>(acc[part], slot + part * kPartBegin * 2,
                                     memory.then_weights + part * Then::kPartBytes);
        }
        gpu::wgmma_wait<0>();
#pragma unroll
        for (int part = 0; part < Then::kParts; ++part) {
          gpu::pin(acc[part]);
          if (pixels.row >= 2)
            write_row<V>(acc[part] + Part::finished(kPhase) * (kPartColumns / 2), part, a, pixels);
        }
      });
}

// ptxas: pack_fused3x3_kernel registers<=40
template <class T, class Then>
__global__ void __launch_bounds__(256) pack_fused3x3_kernel(WeightView view, T* packed) {
  constexpr int kPartElements = Then::kPartBytes / 2;
  const int i = static_cast<int>(blockIdx.x) * 256 + static_cast<int>(threadIdx.x);
  if (i >= Then::kParts * kPartElements) return;
  const int part = i / kPartElements;
  const StripWeight w(Then::kPartInputs, kPartColumns, i % kPartElements);
  packed[i] = gpu::from_float<T>(w.out < Then::kPartOutputs ? view.at(part * Then::kPartOutputs + w.out, w.ky,
                                                                      w.kx, part * kPartBegin + w.in)
                                                            : 0.0f);
}

/// Calls f with the kernel of a pair by the second's channels, if there is one: the block's beginning (conv1
/// and conv2, a part is two groups) and its middle (conv4 and conv5, a part is a group).
template <class T, class F>
bool with_fused3x3(int64_t inputs, int64_t outputs, F f) {
  if (inputs == 48 && outputs == 32) return f(Fused<T, 64, Then3x3<2, 32, 16>>()), true;
  if (inputs == 64 && outputs == 48) return f(Fused<T, 48, Then3x3<4, 16, 12>>()), true;
  return false;
}

template <class V>
void launch_fused3x3(const ConvRun& run, const void* x, const void* packed, const ConvEpilogue& epilogue,
                     const ConvNext& next, void* y, const ConvDevice& device) {
  using T = typename V::T;
  const StripPlan plan(run.h, run.w, device.multiprocessors * V::kGroups, V::Then::kHalo);
  const gpu::TensorMap map = gpu::image_map(x, sizeof(T), run.n, run.h, run.w, run.c, run.x_pitch,
                                            V::kRowPixels, 1, gpu::Swizzle::bytes128);
  const Fused3x3Args<T> args{
      {packed, epilogue.bias, next.packed, next.bias, epilogue.leak, device.packed_before},
      static_cast<T*>(y),
      next.dims.y_pitch,
      next.leak,
      plan};
  gpu::launch_early(fused3x3_kernel<V>,
                    dim3(static_cast<unsigned>(std::min(plan.segments, device.multiprocessors))),
                    dim3(V::kThreads), V::kSharedBytes, device.stream, map, args);
}

}  // namespace

bool takes_fused3x3(const ConvRun& first, const ConvRun& next) {
  bool takes = false;
  with_fused3x3<__half>(next.c, next.o, [&](auto v) {
    using V = decltype(v);
    takes = first.n == 1 && first.c == V::kC && first.o == V::kN && next.groups == 4 && next.kh == 3 &&
            next.kw == 3 && next.stride == 1 && next.pad_h == 1 && next.pad_w == 1 && next.oh == next.h &&
            next.ow == next.w;
  });
  return takes;
}

int64_t fused3x3_bytes(const ConvRun& next) {
  int64_t bytes = 0;
  with_fused3x3<__half>(next.c, next.o, [&](auto v) { bytes = decltype(v)::Then::kWeightBytes; });
  return bytes;
}

template <class T>
void pack_fused3x3(const ConvRun& next, const WeightView& weight, T* packed, cudaStream_t stream) {
  with_fused3x3<T>(next.c, next.o, [&](auto v) {
    using Then = typename decltype(v)::Then;
    gpu::launch(pack_fused3x3_kernel<T, Then>, dim3((Then::kWeightBytes / 2 + 255) / 256), dim3(256), 0,
                stream, weight, packed);
  });
}

template <class T>
void fused3x3_conv(const ConvRun& run, const void* x, const void* packed, const ConvEpilogue& epilogue,
                   const ConvNext& next, void* y, const ConvDevice& device) {
  with_fused3x3<T>(next.dims.c, next.dims.o,
                   [&](auto v) { launch_fused3x3<decltype(v)>(run, x, packed, epilogue, next, y, device); });
}

template void pack_fused3x3(const ConvRun&, const WeightView&, __nv_bfloat16*, cudaStream_t);
template void pack_fused3x3(const ConvRun&, const WeightView&, __half*, cudaStream_t);
template void fused3x3_conv<__nv_bfloat16>(const ConvRun&, const void*, const void*, const ConvEpilogue&,
                                           const ConvNext&, void*, const ConvDevice&);
template void fused3x3_conv<__half>(const ConvRun&, const void*, const void*, const ConvEpilogue&,
                                    const ConvNext&, void*, const ConvDevice&);

}  // namespace sr::cuda
