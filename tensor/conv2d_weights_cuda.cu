#include "tensor/conv2d_weights_cuda.h"

namespace sr::cuda {
namespace {

constexpr int kThreads = 256;

unsigned blocks_for(int64_t elements) {
  return static_cast<unsigned>((elements + kThreads - 1) / kThreads);
}

template <class T>
GPU_FN T rounded_operand(float x) {
  if constexpr (sizeof(T) == 4) {
    const uint32_t bits = gpu::to_tf32(x);
    float rounded;
    memcpy(&rounded, &bits, sizeof(bits));
    return rounded;
  } else {
    return gpu::from_float<T>(x);
  }
}

// A thread per 8 bytes: what a lane holds of one tile.
// ptxas: pack_fragments_kernel registers<=40
template <class T>
__global__ void __launch_bounds__(kThreads)
    pack_fragments_kernel(WeightView view, int taps_w, FragmentOrder order,
                          const __grid_constant__ FragmentTable table, T* packed) {
  constexpr int kPerLane = 8 / sizeof(T);
  const int item = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
  const int lane = item % 32, steps = order.steps(), per_tap = table.before[steps];
  if (item / 32 >= order.slices * order.taps * per_tap) return;
  const int fragment = item / 32 % per_tap, tap = item / 32 / per_tap % order.taps,
            slice = item / 32 / per_tap / order.taps;
  int kc = 0;
  while (table.before[kc + 1] <= fragment) ++kc;
  const int j = fragment - table.before[kc], count = table.before[kc + 1] - table.before[kc];
  const int out = (slice * order.tiles() + table.first[kc] + j) * 8 + lane / 4;
  const int outputs = order.outputs / order.pixels;  // the next pixel's taps begin a column later
  const bool paired = (j & ~1) + 1 < count;
  const int place = paired ? ((fragment - (j & 1)) * 32 + 2 * lane + (j & 1)) : fragment * 32 + lane;
  T* const to = packed + (static_cast<long long>(slice * order.taps + tap) * per_tap * 32 + place) * kPerLane;
  for (int r = 0; r < kPerLane; ++r) {
    const int k = sizeof(T) == 2 ? 8 * (r / 2) + 2 * (lane % 4) + r % 2 : 4 * r + lane % 4;
    const int in = order.step * kc + k;
    const bool real = out < order.outputs && in < order.inputs;
    to[r] = rounded_operand<T>(real ? view.at(out % outputs, tap / taps_w, tap % taps_w - out / outputs, in)
                                    : 0.0f);
  }
}

// ptxas: pack_plain_kernel registers<=40
__global__ void __launch_bounds__(kThreads)
    pack_plain_kernel(WeightView view, int kh, int kw, int cg, int og, int elements, float* packed) {
  const int item = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
  if (item >= elements) return;
  const int out = item % og, in = item / og % cg, v = item / og / cg % kw, u = item / og / cg / kw % kh,
            group = item / og / cg / kw / kh;
  packed[item] = view.at(group * og + out, u, v, group * cg + in);
}

}  // namespace

ConvRun conv_run(ConvOp op, const ConvDims& d) {
  const auto i = [](int64_t v) { return static_cast<int>(v); };
  if (op != ConvOp::grad_input) {
    return {i(d.n),      i(d.h),     i(d.w),     i(d.c),      i(d.oh),   i(d.ow),   i(d.o), i(d.kh), i(d.kw),
            i(d.stride), i(d.pad_h), i(d.pad_w), i(d.groups), d.x_pitch, d.y_pitch, 1,      i(d.oh), i(d.ow)};
  }
  if (d.stride == 1) {
    return {i(d.n),
            i(d.oh),
            i(d.ow),
            i(d.o),
            i(d.h),
            i(d.w),
            i(d.c),
            i(d.kh),
            i(d.kw),
            1,
            i(d.kh - 1 - d.pad_h),
            i(d.kw - 1 - d.pad_w),
            i(d.groups),
            d.y_pitch,
            d.x_pitch,
            1,
            i(d.h),
            i(d.w)};
  }
  const WeightView view = weight_view(op, d, nullptr);
  const int64_t s = d.stride;
  // From the first coarse pixel that the first phase takes to the last that the last phase takes.
  const int64_t after_h = (s - 1 + d.pad_h) / s, after_w = (s - 1 + d.pad_w) / s;
  return {i(d.n),
          i(d.oh),
          i(d.ow),
          i(d.o),
          i((d.h + s - 1) / s),
          i((d.w + s - 1) / s),
          i(s * s * d.c),
          view.before_h + 1 + i(after_h),
          view.before_w + 1 + i(after_w),
          1,
          view.before_h,
          view.before_w,
          1,
          d.y_pitch,
          d.x_pitch,
          i(s),
          i(d.h),
          i(d.w)};
}

WeightView weight_view(ConvOp op, const ConvDims& d, const float* weight) {
  const auto i = [](int64_t v) { return static_cast<int>(v); };
  WeightView view{WeightView::Kind::forward,
                  weight,
                  i(d.o),
                  i(d.kh),
                  i(d.kw),
                  i(d.c / d.groups),
                  i(d.groups),
                  i(d.stride),
                  i(d.pad_h),
                  i(d.pad_w),
                  0,
                  0};
  if (op != ConvOp::grad_input) return view;
  view.kind = d.stride == 1 ? WeightView::Kind::flipped : WeightView::Kind::phases;
  const auto ceil_div = [](int a, int b) { return a >= 0 ? (a + b - 1) / b : -(-a / b); };
  view.before_h = ceil_div(view.kh - view.stride - view.pad_h, view.stride);
  view.before_w = ceil_div(view.kw - view.stride - view.pad_w, view.stride);
  return view;
}

FragmentTable::FragmentTable(const FragmentOrder& order) : first{}, before{} {
  for (int kc = 0; kc < order.steps(); ++kc) {
    first[kc] = static_cast<short>(order.first(kc));
    before[kc + 1] = static_cast<short>(before[kc] + order.count(kc));
  }
}

template <class T>
void pack_fragments(const WeightView& view, int taps_w, const FragmentOrder& order, T* packed,
                    cudaStream_t stream) {
  gpu::launch(pack_fragments_kernel<T>, dim3(blocks_for(order.bytes() / 8)), dim3(kThreads), 0, stream, view,
              taps_w, order, FragmentTable(order), packed);
}
template void pack_fragments(const WeightView&, int, const FragmentOrder&, float*, cudaStream_t);
template void pack_fragments(const WeightView&, int, const FragmentOrder&, __nv_bfloat16*, cudaStream_t);
template void pack_fragments(const WeightView&, int, const FragmentOrder&, __half*, cudaStream_t);

void pack_plain(const WeightView& view, const ConvRun& run, float* packed, cudaStream_t stream) {
  const int cg = run.c / run.groups, og = run.o / run.groups, elements = run.kh * run.kw * cg * run.o;
  gpu::launch(pack_plain_kernel, dim3(blocks_for(elements)), dim3(kThreads), 0, stream, view, run.kh, run.kw,
              cg, og, elements, packed);
}

}  // namespace sr::cuda
