#include "tensor/ops/reduce_cuda.h"

#include <algorithm>
#include <utility>

#include "tensor/cuda/block_sum.cuh"
#include "tensor/ops/channel_sums.cuh"

namespace sr::cuda {
namespace {

template <int kVector>
struct Values {
  float v[kVector];
};

// ptxas: sum_per_channel_kernel registers<=128 shared<=16384
template <class T, int kVector>
__global__ void __launch_bounds__(kSumThreads, 2)
    sum_per_channel_kernel(int64_t pixels, int c, const T* x, int64_t x_pitch, double* sums) {
  const auto read = [&](int64_t p, int k, int n) {
    Values<kVector> at;
    load(x + p * x_pitch + k, n, at.v);
    return at;
  };
  sum_channels<kVector, 4>(pixels, c, sums, read,
                           [](const Values<kVector>& at, int64_t, int, int, double(&sum)[kVector]) {
#pragma unroll
                             for (int i = 0; i < kVector; ++i) sum[i] = static_cast<double>(at.v[i]);
                           });
}

constexpr int kPieceColumns = 8, kPieceLanes = 32;
constexpr int kLaunchPieces = 64;  // as many as one launch takes
struct AllPieces {
  ChannelPieces of[kLaunchPieces];
};

// blockIdx.y: which of them. Lane l adds pieces l, l + kPieceLanes, ... of its channel; then the lanes are
// added in order.
// ptxas: add_pieces_kernel registers<=40 shared<=2048
__global__ void __launch_bounds__(kPieceColumns* kPieceLanes)
    add_pieces_kernel(const __grid_constant__ AllPieces all) {
  GPU_SHARED(double, lanes, kPieceColumns* kPieceLanes);
  const ChannelPieces& at = all.of[blockIdx.y];
  const int64_t pieces = (at.pixels + kSumPixels - 1) / kSumPixels, c = at.c;
  const int x = static_cast<int>(threadIdx.x), lane = static_cast<int>(threadIdx.y);
  const int64_t k = static_cast<int64_t>(blockIdx.x) * kPieceColumns + x;
  double sum = 0;
  if (k < c)
    for (int64_t piece = lane; piece < pieces; piece += kPieceLanes) sum += at.sums[piece * c + k];
  lanes[lane * kPieceColumns + x] = sum;
  __syncthreads();
  if (lane > 0 || k >= c) return;
  double total = 0;
  for (int l = 0; l < kPieceLanes; ++l) total += lanes[l * kPieceColumns + x];
  at.y[k] = static_cast<float>(total);
}

constexpr int kAllThreads = 256;

// ptxas: add_all_kernel registers<=40 shared<=2048
__global__ void __launch_bounds__(kAllThreads)
    add_all_kernel(int64_t count, const double* values, double size, double* result) {
  GPU_SHARED(double, shared, kAllThreads);
  const double total = block_sum_of<kAllThreads>(count, values, shared);
  if (threadIdx.x == 0) *result = total / size;
}

// ptxas: round_to_float_kernel registers<=16 shared<=0
__global__ void round_to_float_kernel(const double* from, float* to) {
  if (threadIdx.x == 0) *to = static_cast<float>(*from);
}

thread_local GatherSums* gathering = nullptr;

void add_sums(const std::vector<ChannelSumsWork>& channels) {
  std::vector<ChannelPieces> pieces;
  for (const ChannelSumsWork& w : channels)
    pieces.push_back({static_cast<const double*>(w.sums.get()), w.pixels, w.y.shape().c,
                      static_cast<float*>(Tensor(w.y).address())});
  add_pieces(queue(), pieces);
}

}  // namespace

void sum_pieces_of(const Queue& queue, DType dtype, int64_t pixels, int64_t c, ConstView x, double* sums) {
  with_types(dtype, {x}, [&](auto zero, auto width) {
    using T = decltype(zero);
    launch_channel_sums<width.value>(queue, sum_per_channel_kernel<T, width.value>, pixels, c, pixels,
                                     static_cast<int>(c), as<T>(x), x.pitch, sums);
  });
}

void add_pieces(const Queue& queue, std::span<const ChannelPieces> channels) {
  while (!channels.empty()) {
    const auto count = std::min<size_t>(kLaunchPieces, channels.size());
    AllPieces all{};
    int64_t most = 0;
    for (size_t i = 0; i < count; ++i) all.of[i] = channels[i], most = std::max(most, channels[i].c);
    const dim3 grid(static_cast<unsigned>((most + kPieceColumns - 1) / kPieceColumns),
                    static_cast<unsigned>(count));
    if (most > 0)
      gpu::launch(add_pieces_kernel, grid, dim3(kPieceColumns, kPieceLanes), 0, queue.stream, all);
    channels = channels.subspan(count);
  }
}

void add_all(const Queue& queue, int64_t count, const double* values, double size, double* result) {
  gpu::launch(add_all_kernel, dim3(1), dim3(kAllThreads), 0, queue.stream, count, values, size, result);
}

int64_t sum_workspace(int64_t pixels, int64_t c) {
  return sum_pieces(pixels) * c;
}

void sum_per_channel(const Queue& queue, DType dtype, int64_t pixels, int64_t c, ConstView x, float* y,
                     double* workspace) {
  sum_pieces_of(queue, dtype, pixels, c, x, workspace);
  const ChannelPieces one{workspace, pixels, c, y};
  add_pieces(queue, {&one, 1});
}

void sum(const Queue& queue, DType dtype, int64_t pixels, int64_t c, ConstView x, double* result,
         double* workspace) {
  sum_pieces_of(queue, dtype, pixels, c, x, workspace);
  add_all(queue, sum_pieces(pixels) * c, workspace, 1, result);
}

void round_to_float(const Queue& queue, const double* from, float* to) {
  gpu::launch(round_to_float_kernel, dim3(1), dim3(32), 0, queue.stream, from, to);
}

GatherSums::GatherSums() : before_(std::exchange(gathering, this)) {}

GatherSums::~GatherSums() {
  gathering = before_;
}

bool GatherSums::has(const Tensor& sums) const {
  return std::ranges::any_of(waiting_, [&](const ChannelSumsWork& w) { return lies_in(sums, w.y); });
}

void GatherSums::finish() {
  add_sums(std::exchange(waiting_, {}));
}

void add_up(const ChannelSumsWork& work) {
  if (gathering)
    gathering->add(work);
  else
    add_sums({work});
}

Tensor sum_per_channel(const Tensor& x) {
  const int64_t pixels = x.shape().pixels(), c = x.shape().c;
  const Tensor y(Shape{1, 1, 1, c}, DType::f32, Device::cuda);
  const ChannelSumsWork work{allocate(8 * sum_workspace(pixels, c)), pixels, y};
  telling(
      [&] {
        sum_pieces_of(queue(), x.dtype(), pixels, c, view(x), static_cast<double*>(work.sums.get()));
        add_up(work);
      },
      "sum_per_channel of ", x.shape());
  return y;
}

double sum(const Tensor& x) {
  const int64_t pixels = x.shape().pixels(), c = x.shape().c;
  const Doubles workspace(sum_workspace(pixels, c)), result(1);
  telling([&] { sum(queue(), x.dtype(), pixels, c, view(x), result.data(), workspace.data()); }, "sum of ",
          x.shape());
  return first(result);
}

Tensor rounded(const Doubles& x) {
  Tensor y(Shape{1, 1, 1, 1}, DType::f32, Device::cuda);
  round_to_float(queue(), x.data(), static_cast<float*>(y.address()));
  return y;
}

}  // namespace sr::cuda
