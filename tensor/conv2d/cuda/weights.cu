#include "tensor/conv2d/cuda/weights.h"

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

constexpr int kLaunchTasks = 32;  // as many as the arguments of a launch hold
struct FragmentTasks {
  FragmentTask of[kLaunchTasks];
};

/// first() and before() of all k steps, which the block's threads find together: one would take longer for
/// them than for the rest of its work.
struct FragmentTable {
  int *first, *before;

  GPU_FN void fill(const FragmentOrder& order) const {
    const int k = static_cast<int>(threadIdx.x), steps = order.steps();
    int sum = 0;
    if (k < steps) first[k] = order.first(k), before[k + 1] = order.count(k);
    __syncthreads();
    for (int i = 0; i < k && k <= steps; ++i) sum += before[i + 1];
    __syncthreads();  // counts are read before sums take their places
    if (k <= steps) before[k] = sum;
    __syncthreads();
  }
};

/// Writes the 8 bytes that a lane holds of one tile.
template <class T>
GPU_FN void pack_lane(const FragmentTask& task, const FragmentTable& table, int item) {
  constexpr int kPerLane = 8 / sizeof(T);
  const FragmentOrder& order = task.order;
  const int lane = item % 32, per_tap = table.before[order.steps()];
  const int fragment = item / 32 % per_tap, tap = item / 32 / per_tap % order.taps,
            slice = item / 32 / per_tap / order.taps;
  int kc = 0;
  while (table.before[kc + 1] <= fragment) ++kc;
  const int j = fragment - table.before[kc], count = table.before[kc + 1] - table.before[kc];
  const int out = (slice * order.tiles() + table.first[kc] + j) * 8 + lane / 4;
  const int outputs = order.outputs / order.pixels;  // the next pixel's taps begin a column later
  const bool paired = (j & ~1) + 1 < count;
  const int place = paired ? ((fragment - (j & 1)) * 32 + 2 * lane + (j & 1)) : fragment * 32 + lane;
  T* const to = static_cast<T*>(task.packed) +
                (static_cast<long long>(slice * order.taps + tap) * per_tap * 32 + place) * kPerLane;
  const int row = tap / task.taps_w, column = tap % task.taps_w - out / outputs;
  for (int r = 0; r < kPerLane; ++r) {
    const int k = sizeof(T) == 2 ? 8 * (r / 2) + 2 * (lane % 4) + r % 2 : 4 * r + lane % 4;
    const int in = order.step * kc + k;
    const bool real = out < order.outputs && in < order.inputs;
    to[r] = rounded_operand<T>(real ? task.view.at(out % outputs, row, column, in) : 0.0f);
  }
}

// blockIdx.y: task; the threads of its blocks take its lanes in turns.
// ptxas: pack_fragments_kernel registers<=48 shared<=1032
template <class T>
__global__ void __launch_bounds__(kThreads)
    pack_fragments_kernel(const __grid_constant__ FragmentTasks tasks) {
  GPU_SHARED(int, first, kMostFragmentSteps);
  GPU_SHARED(int, before, kMostFragmentSteps + 1);
  const FragmentTask& task = tasks.of[blockIdx.y];
  const FragmentTable table{first, before};
  table.fill(task.order);
  const int items = task.order.slices * task.order.taps * before[task.order.steps()] * 32;
  for (int item = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x); item < items;
       item += static_cast<int>(gridDim.x) * kThreads)
    pack_lane<T>(task, table, item);
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

template <class T>
void pack_fragments(std::span<const FragmentTask> tasks, cudaStream_t stream) {
  constexpr unsigned kMostBlocks = 32;  // for a task
  for (; !tasks.empty(); tasks = tasks.subspan(std::min<size_t>(kLaunchTasks, tasks.size()))) {
    const auto count = std::min<size_t>(kLaunchTasks, tasks.size());
    FragmentTasks launched{};
    unsigned blocks = 1;
    for (size_t i = 0; i < count; ++i) {
      launched.of[i] = tasks[i];
      blocks = std::max(blocks, std::min(kMostBlocks, blocks_for(tasks[i].order.bytes() / 8)));
    }
    gpu::launch(pack_fragments_kernel<T>, dim3(blocks, static_cast<unsigned>(count)), dim3(kThreads), 0,
                stream, launched);
  }
}
template void pack_fragments<float>(std::span<const FragmentTask>, cudaStream_t);
template void pack_fragments<__nv_bfloat16>(std::span<const FragmentTask>, cudaStream_t);
template void pack_fragments<__half>(std::span<const FragmentTask>, cudaStream_t);

void pack_plain(const WeightView& view, const ConvRun& run, float* packed, cudaStream_t stream) {
  const int cg = run.c / run.groups, og = run.o / run.groups, elements = run.kh * run.kw * cg * run.o;
  gpu::launch(pack_plain_kernel, dim3(blocks_for(elements)), dim3(kThreads), 0, stream, view, run.kh, run.kw,
              cg, og, elements, packed);
}

}  // namespace sr::cuda
