// The end of IDN's block in one kernel: 3x3 from 48 channels to 80, activation, 64 and 16 channels added, and
// 1x1 to 64. The 80 channels stay in registers: a lane's activated sums are what it must hold of A for the
// product that follows, whose weights' order says which channel they are.
#include "tensor/conv2d/cuda/sm90/strips_kernel.h"

namespace sr::cuda {
namespace {

constexpr int kMiddle = 80, kOut = 64, kWide = 64;  // kWide: channels of the first added tensor

struct ThenPointwise {
  static constexpr int kParts = 1, kColumns = kOut, kPartOutputs = kOut, kWeightBytes = kMiddle * kOut * 2,
                       kSlots = 0, kHalo = 1;
};

template <class T>
using Conv = StripConv<T, 48, kMiddle, 2, ThenPointwise>;

template <class T>
struct PointwiseArgs {
  StripParameters parameters;
  const T *wide, *narrow;  // added
  T* y;
  long long wide_pitch, narrow_pitch, y_pitch;
  float then_leak;
  StripPlan plan;
};

/// What is added for a lane's two pixels.
struct Added {
  uint32_t wide[2][2][4], narrow[2][2];

  template <class T>
  GPU_FN void load(const PointwiseArgs<T>& a, const LanePixels& pixels) {
    const int t = static_cast<int>(threadIdx.x) % 4;
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const long long pixel = pixels.first + 8 * r;
      if (!pixels.inside[r]) continue;
      load_words<4>(wide[r][0], a.wide + pixel * a.wide_pitch + 8 * t);
      load_words<4>(wide[r][1], a.wide + pixel * a.wide_pitch + 32 + 8 * t);
      load_words<2>(narrow[r], a.narrow + pixel * a.narrow_pitch + 4 * t);
    }
  }
  /// For columns 8j + 2t, 8j + 2t + 1.
  GPU_FN uint32_t word(int r, int j) const {
    return j < 8 ? wide[r][j / 4][j % 4] : narrow[r][j - 8];
  }
};

/// y of two pixels from the 80 activated channels.
template <class T>
GPU_FN void finish_row(const Activated<kMiddle>& activated, const Added& added, const PointwiseArgs<T>& a,
                       const StripMemory<Conv<T>>& memory, const LanePixels& pixels) {
  uint32_t f[kMiddle / 16][4];
#pragma unroll
  for (int j = 0; j < kMiddle / 8; ++j) {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      f[j / 2][j % 2 * 2 + r] = gpu::add2<T>(activated.words[r][j], added.word(r, j));
    }
  }
#pragma unroll
  for (int k = 0; k < kMiddle / 16; ++k) gpu::pin(f[k]);
  float acc[kOut / 2];
  start_sums<kOut>(acc, memory.then_bias);
  gpu::pin(acc);
  gpu::wgmma_fence();
  const uint64_t b = gpu::matrix_descriptor(gpu::Swizzle::none, kOut * 16, 128) +
                     gpu::matrix_start(gpu::shared_address(memory.then_weights));
#pragma unroll
  for (int k = 0; k < kMiddle / 16; ++k) {
    gpu::wgmma_rs<T, kOut>(acc, f[k], b + gpu::matrix_start(static_cast<uint32_t>(k * kOut * 32)));
  }
  gpu::wgmma_commit();
  gpu::wgmma_wait<0>();
  gpu::pin(acc);
  Activated<kOut> result;
  result.set<T>(acc, a.then_leak);
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    if (!pixels.inside[r]) continue;
    T* const y = a.y + (pixels.first + 8 * r) * a.y_pitch;
    store_pixel(
        result, r, [&](int c) { return y + c; }, [](auto&, int) {});
  }
}

// ptxas: pointwise_kernel registers<=228
template <class T>
__global__ void __launch_bounds__(Conv<T>::kThreads, 1)
    pointwise_kernel(const __grid_constant__ gpu::TensorMap map, const __grid_constant__ PointwiseArgs<T> a) {
  gpu::Smem smem;
  const StripMemory<Conv<T>> memory(smem);
  Added added{};
  roll_strips<Conv<T>>(
      a.plan, &map, a.parameters, memory,
      [&](const LanePixels& pixels) {
        if (pixels.row >= 0) added.load(a, pixels);
      },
      [&](auto, const Activated<kMiddle>& activated, const LanePixels& pixels) {
        if (pixels.row >= 0) finish_row(activated, added, a, memory, pixels);
      });
}

// ptxas: pack_pointwise_kernel registers<=40
template <class T>
__global__ void __launch_bounds__(256) pack_pointwise_kernel(const float* weight, T* packed) {
  const int i = static_cast<int>(blockIdx.x) * 256 + static_cast<int>(threadIdx.x);
  if (i >= kMiddle * kOut) return;
  const PointwiseWeight w(kMiddle, kOut, i);
  packed[i] = gpu::from_float<T>(weight[w.out * kMiddle + w.in]);
}

}  // namespace

bool takes_pointwise(const ConvRun& first, int64_t first_added, const ConvRun& next) {
  return first.n == 1 && first.c == Conv<__half>::kC && first.o == kMiddle && first_added == kWide &&
         next.c == kMiddle && next.o == kOut && next.kh == 1 && next.kw == 1 && next.stride == 1 &&
         next.pad_h == 0 && next.pad_w == 0 && next.groups == 1;
}

int64_t pointwise_bytes() {
  return ThenPointwise::kWeightBytes;
}

template <class T>
void pack_pointwise(const float* weight, T* packed, cudaStream_t stream) {
  gpu::launch(pack_pointwise_kernel<T>, dim3((kMiddle * kOut + 255) / 256), dim3(256), 0, stream, weight,
              packed);
}

template <class T>
void pointwise_conv(const ConvRun& run, const void* x, const void* packed, const ConvEpilogue& epilogue,
                    const ConvNext& next, void* y, const ConvDevice& device) {
  using V = Conv<T>;
  const StripPlan plan(run.h, run.w, device.multiprocessors * V::kGroups, V::Then::kHalo);
  const gpu::TensorMap map = gpu::image_map(x, sizeof(T), run.n, run.h, run.w, run.c, run.x_pitch,
                                            V::kRowPixels, 1, gpu::Swizzle::bytes128);
  const PointwiseArgs<T> args{
      {packed, epilogue.bias, next.packed, next.bias, epilogue.leak, device.packed_before},
      static_cast<const T*>(epilogue.added[0].data),
      static_cast<const T*>(epilogue.added[1].data),
      static_cast<T*>(y),
      epilogue.added[0].pitch,
      epilogue.added[1].pitch,
      next.dims.y_pitch,
      next.leak,
      plan};
  gpu::launch_early(pointwise_kernel<T>,
                    dim3(static_cast<unsigned>(std::min(plan.segments, device.multiprocessors))),
                    dim3(V::kThreads), V::kSharedBytes, device.stream, map, args);
}

template void pack_pointwise(const float*, __nv_bfloat16*, cudaStream_t);
template void pack_pointwise(const float*, __half*, cudaStream_t);
template void pointwise_conv<__nv_bfloat16>(const ConvRun&, const void*, const void*, const ConvEpilogue&,
                                            const ConvNext&, void*, const ConvDevice&);
template void pointwise_conv<__half>(const ConvRun&, const void*, const void*, const ConvEpilogue&,
                                     const ConvNext&, void*, const ConvDevice&);

}  // namespace sr::cuda
