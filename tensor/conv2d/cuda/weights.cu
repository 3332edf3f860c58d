#include "tensor/conv2d/cuda/weights.h"

namespace sr::cuda {
namespace {

constexpr int kThreads = 256;

unsigned blocks_for(int64_t elements) {
  return static_cast<unsigned>((elements + kThreads - 1) / kThreads);
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
  view.before_h = taps_before(d.kh, d.stride, d.pad_h);
  view.before_w = taps_before(d.kw, d.stride, d.pad_w);
  return view;
}

void pack_plain(const WeightView& view, const ConvRun& run, float* packed, cudaStream_t stream) {
  const int cg = run.c / run.groups, og = run.o / run.groups, elements = run.kh * run.kw * cg * run.o;
  gpu::launch(pack_plain_kernel, dim3(blocks_for(elements)), dim3(kThreads), 0, stream, view, run.kh, run.kw,
              cg, og, elements, packed);
}

void pack_plain(std::span<const PackTask> tasks, const ConvDevice& device) {
  for (const PackTask& t : tasks)
    pack_plain(weight_view(t.op, t.dims, t.weight), conv_run(t.op, t.dims), static_cast<float*>(t.packed),
               device.stream);
}

}  // namespace sr::cuda
