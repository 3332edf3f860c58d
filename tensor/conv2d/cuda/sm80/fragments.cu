#include "tensor/conv2d/cuda/sm80/fragments.h"

#include <algorithm>
#include <vector>

#include "tensor/conv2d/cuda/operand_types.h"
#include "tensor/conv2d/cuda/sm80/subpixel.h"
#include "tensor/conv2d/cuda/sm80/tensor.h"
#include "tensor/error.h"

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

/// A weight for the tensor cores: `packed` becomes [slice][tap][k step][tile].
struct FragmentTask {
  WeightView view;
  FragmentOrder order;
  int taps_w;  // columns of the taps, those of all `pixels` together
  void* packed;
};

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

/// Packs all of them with few launches; T is the operands' type (float: TF32).
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

}  // namespace

void pack_as_fragments(std::span<const PackTask> tasks, const ConvDevice& device) {
  if (tasks.empty()) return;
  with_operand(tasks.front().types.math, [&](auto t) {
    using T = decltype(t);
    std::vector<FragmentTask> fragments;
    for (const PackTask& task : tasks) {
      const ConvProblem p(task.op, task.dims, task.types);
      FragmentOrder order{};
      if (!tensor_order<T>(p, device, &order) && !subpixel_order<T>(p, device, &order))
        throw Error(Error::Kind::usage, "conv2d: weights whose algorithm has no order for the tensor cores");
      WeightView view = weight_view(task.op, task.dims, task.weight);
      if (order.taps == 1 && p.run.kh * p.run.kw > 1) {  // all terms as input channels of one tap
        view.cg *= view.kh * view.kw;
        view.kh = view.kw = 1;
      }
      fragments.push_back({view, order, p.run.kw + order.pixels - 1, task.packed});
    }
    pack_fragments<T>(fragments, device.stream);
  });
}

}  // namespace sr::cuda
