#include "tensor/conv2d/cuda/operand_types.h"
#include "tensor/conv2d/cuda/sm90/strips_kernel.h"
#include "tensor/conv2d/cuda/weights.h"

namespace sr::cuda {
namespace {

template <class T>
struct StripArgs {
  const T* packed;
  T* y;
  long long y_pitch;
  ConvEpilogue epilogue;
  StripPlan plan;
  bool packed_before;
};

/// What follows the activation, for the 2 W channels from c in v.
template <class T, int W>
GPU_FN void finish_words(uint32_t (&v)[W], const ConvEpilogue& e, long long pixel, int c) {
  if (!e.added[0].data && !e.mask.data) return;
  uint32_t added[W], mask[W];
  if (e.added[0].data) {
    const int first_c = static_cast<int>(e.added[0].c);
    const ChannelView& view = e.added[c < first_c ? 0 : 1];
    load_words<W>(added,
                  static_cast<const T*>(view.data) + pixel * view.pitch + (c < first_c ? c : c - first_c));
  }
  if (e.mask.data) load_words<W>(mask, static_cast<const T*>(e.mask.data) + pixel * e.mask.pitch + c);
#pragma unroll
  for (int i = 0; i < W; ++i) {
    float2 f = gpu::unpack2<T>(v[i]);
    if (e.added[0].data) {
      const float2 more = gpu::unpack2<T>(added[i]);
      f.x += more.x, f.y += more.y;
    }
    if (e.mask.data) {
      const float2 m = gpu::unpack2<T>(mask[i]);
      f.x *= m.x > 0.0f ? 1.0f : e.mask_leak, f.y *= m.y > 0.0f ? 1.0f : e.mask_leak;
    }
    v[i] = gpu::pack2<T>(f.x, f.y);
  }
}

// ptxas: strips_kernel registers<=200
template <class V>
__global__ void __launch_bounds__(V::kThreads, 1)
    strips_kernel(const __grid_constant__ gpu::TensorMap map,
                  const __grid_constant__ StripArgs<typename V::T> a) {
  using T = typename V::T;
  gpu::Smem smem;
  const StripMemory<V> memory(smem);
  roll_strips<V>(
      a.plan, &map, {a.packed, a.epilogue.bias, nullptr, nullptr, a.epilogue.leak, a.packed_before}, memory,
      [](const LanePixels&) {},
      [&](auto, const Activated<V::kN>& activated, const LanePixels& pixels) {
#pragma unroll
        for (int r = 0; r < 2; ++r) {
          if (pixels.row < 0 || !pixels.inside[r]) continue;
          const long long pixel = pixels.first + 8 * r;
          store_pixel(
              activated, r, [&](int c) { return a.y + pixel * a.y_pitch + c; },
              [&](auto& words, int c) { finish_words<T>(words, a.epilogue, pixel, c); });
        }
      });
}

// ptxas: pack_strips_kernel registers<=40
template <class T>
__global__ void __launch_bounds__(256)
    pack_strips_kernel(WeightView view, int inputs, int outputs, T* packed) {
  const int i = static_cast<int>(blockIdx.x) * 256 + static_cast<int>(threadIdx.x);
  if (i >= 3 * kKyBlocks * inputs * outputs) return;
  const StripWeight w(inputs, outputs, i);
  packed[i] = gpu::from_float<T>(view.at(w.out, w.ky, w.kx, w.in));
}

/// Calls f with the kernels of a shape, if there are some: for small images and for large ones, whose groups
/// have rows enough.
template <class T, class F>
bool with_strips(const ConvRun& r, F f) {
  if (r.kh != 3 || r.kw != 3 || r.pad_h != 1 || r.pad_w != 1 || r.stride != 1 || r.shuffle != 1) return false;
  if (r.oh != r.h || r.ow != r.w) return false;
  const auto is = [&](int c, int o) { return r.c == c && r.o == o; };
  if (is(64, 64)) return f(StripConv<T, 64, 64, 2>(), StripConv<T, 64, 64, 2>()), true;
  if (is(64, 48)) return f(StripConv<T, 64, 48, 2>(), StripConv<T, 64, 48, 3>()), true;
  if (is(48, 32)) return f(StripConv<T, 48, 32, 2>(), StripConv<T, 48, 32, 2>()), true;
  if (is(32, 64)) return f(StripConv<T, 32, 64, 2>(), StripConv<T, 32, 64, 2>()), true;
  if (is(48, 64)) return f(StripConv<T, 48, 64, 2>(), StripConv<T, 48, 64, 3>()), true;
  if (is(48, 80)) return f(StripConv<T, 48, 80, 2>(), StripConv<T, 48, 80, 2>()), true;
  return false;
}

template <class V>
void launch_strips(const ConvRun& run, const StripPlan& plan, const void* x, const void* packed,
                   const ConvEpilogue& epilogue, void* y, const ConvDevice& device) {
  using T = typename V::T;
  const gpu::TensorMap map = gpu::image_map(x, sizeof(T), run.n, run.h, run.w, run.c, run.x_pitch,
                                            V::kRowPixels, 1, gpu::Swizzle::bytes128);
  const StripArgs<T> args{static_cast<const T*>(packed), static_cast<T*>(y), run.y_pitch, epilogue, plan,
                          device.packed_before};
  gpu::launch_early(strips_kernel<V>,
                    dim3(static_cast<unsigned>(std::min(plan.segments, device.multiprocessors))),
                    dim3(V::kThreads), V::kSharedBytes, device.stream, map, args);
}

// One image is a tile of a scene, and every tile takes the same kernel.
int64_t bytes(const ConvProblem& p, const ConvDevice& device) {
  if (p.op == ConvOp::next) return p.run.kh == 1 ? pointwise_bytes() : fused3x3_bytes(p.run);
  int64_t bytes = 0;
  if (device.wgmma && p.aligned() && p.run.n == 1 && p.op != ConvOp::grad_weight && p.types.x == p.types.y)
    with_half_operand(p.types.math, [&](auto t) {
      using T = decltype(t);
      if (p.types.y == kStorage<T>)
        with_strips<T>(p.run, [&](auto v, auto) { bytes = decltype(v)::kWeightBytes; });
    });
  return bytes;
}

template <class T>
void pack_strips(const PackTask& task, cudaStream_t stream) {
  const ConvRun run = conv_run(task.op, task.dims);
  const int elements = 3 * kKyBlocks * run.c * run.o;
  gpu::launch(pack_strips_kernel<T>, dim3(static_cast<unsigned>((elements + 255) / 256)), dim3(256), 0,
              stream, weight_view(task.op, task.dims, task.weight), run.c, run.o,
              static_cast<T*>(task.packed));
}

void pack(std::span<const PackTask> tasks, const ConvDevice& device) {
  for (const PackTask& task : tasks)
    with_half_operand(task.types.math, [&](auto t) {
      using T = decltype(t);
      T* const packed = static_cast<T*>(task.packed);
      if (task.op != ConvOp::next)
        pack_strips<T>(task, device.stream);
      else if (task.dims.kh == 1)
        pack_pointwise(task.weight, packed, device.stream);
      else
        pack_fused3x3(conv_run(task.op, task.dims), weight_view(task.op, task.dims, task.weight), packed,
                      device.stream);
    });
}

template <class T>
void conv_of(const ConvRun& run, const void* x, const void* packed, const ConvEpilogue& epilogue, void* y,
             const ConvDevice& device) {
  with_strips<T>(run, [&](auto small, auto large) {
    using Small = decltype(small);
    using Large = decltype(large);
    const StripPlan two(run.h, run.w, device.multiprocessors * Small::kGroups),
        more(run.h, run.w, device.multiprocessors * Large::kGroups);
    // More groups hide each other's waiting, which is worth a twentieth, but have shorter segments.
    if (20 * more.most_rows * Large::kGroups <= 21 * two.most_rows * Small::kGroups)
      launch_strips<Large>(run, more, x, packed, epilogue, y, device);
    else
      launch_strips<Small>(run, two, x, packed, epilogue, y, device);
  });
}

void conv(const ConvProblem& p, const void* x, const void* packed, const ConvEpilogue& epilogue, void* y,
          const ConvDevice& device) {
  with_half_operand(p.types.math,
                    [&](auto t) { conv_of<decltype(t)>(p.run, x, packed, epilogue, y, device); });
}

bool fuses(const ConvProblem& p, int64_t first_added, const ConvProblem& next) {
  return next.y_aligned() &&
         (first_added ? takes_pointwise(p.run, first_added, next.run) : takes_fused3x3(p.run, next.run));
}

void conv_then_conv(const ConvProblem& p, const void* x, const void* packed, const ConvEpilogue& epilogue,
                    const ConvNext& next, void* y, const ConvDevice& device) {
  with_half_operand(p.types.math, [&](auto t) {
    using T = decltype(t);
    if (next.dims.kh == 1)
      pointwise_conv<T>(p.run, x, packed, epilogue, next, y, device);
    else
      fused3x3_conv<T>(p.run, x, packed, epilogue, next, y, device);
  });
}

}  // namespace

StripPlan::StripPlan(int image_h, int image_w, int groups, int halo_pixels)
    : h(image_h),
      w(image_w),
      halo(halo_pixels),
      strip(66 - 2 * halo_pixels),
      per_strip(1),
      length(image_h),
      segments(0),
      most_rows(0) {
  const int strips = (w + strip - 1) / strip;
  for (int rounds = 1; rounds <= 16; ++rounds) {
    const int most = static_cast<int>(std::min<int64_t>(int64_t{groups} * rounds / strips, h));
    if (most < 1) continue;
    const int rows = (h + most - 1) / most;
    const int read = rounds * (rows + 2 * halo);
    if (most_rows == 0 || read < most_rows) most_rows = read, length = rows;
  }
  per_strip = (h + length - 1) / length, segments = strips * per_strip;
}

const ConvAlgorithm kStrips{"strips", bytes, pack, conv, nullptr, false, fuses, conv_then_conv};

}  // namespace sr::cuda
