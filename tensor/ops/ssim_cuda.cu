// Compiled without contraction: every product and sum is rounded by itself, as on the CPU.
#include "tensor/ops/ssim_cuda.h"

#include "tensor/cuda/block_sum.cuh"
#include "tensor/cuda/tensors.h"
#include "tensor/ops/channel_sums.cuh"
#include "tensor/ops/reduce_cuda.h"
#include "tensor/ops/ssim_window.h"

namespace sr::cuda {
namespace {

// A block takes tiles of kTileW x kTileH windows (or samples of the gradient), a thread one of them. The
// samples (or windows) that they need lie in kReachW x kReachH.
constexpr int kTileW = 32, kTileH = 8, kThreads = kTileW * kTileH;
constexpr int kReachW = kTileW + kSsimWindow - 1, kReachH = kTileH + kSsimWindow - 1;

// Images of h x w x c values cut into tiles.
struct Tiles {
  int h, w, c, across, down;
  int64_t count;

  Tiles(int64_t n, int64_t h_, int64_t w_, int64_t c_)
      : h(static_cast<int>(h_)),
        w(static_cast<int>(w_)),
        c(static_cast<int>(c_)),
        across((w + kTileW - 1) / kTileW),
        down((h + kTileH - 1) / kTileH),
        count(n * down * across * c) {}
};

struct Tile {
  int64_t image;
  int y, x, channel;

  GPU_FN Tile(const Tiles& tiles, int64_t index) {
    channel = static_cast<int>(index % tiles.c), index /= tiles.c;
    x = static_cast<int>(index % tiles.across) * kTileW, index /= tiles.across;
    y = static_cast<int>(index % tiles.down) * kTileH, image = index / tiles.down;
  }
};

// Pixels of the images, and an image's size; windows are kSsimWindow - 1 fewer each way.
struct Images {
  const float *a, *b;
  int64_t a_pitch, b_pitch;
  int h, w;
};

// Samples of both images for the tile's windows as doubles; nothing past the image's edges is needed.
GPU_FN void load_samples(const Images& images, const Tile& tile, double* a, double* b) {
  for (int i = static_cast<int>(threadIdx.x); i < kReachH * kReachW; i += kThreads) {
    const int y = tile.y + i / kReachW, x = tile.x + i % kReachW;
    if (y >= images.h || x >= images.w) continue;
    const int64_t pixel = (tile.image * images.h + y) * images.w + x;
    a[i] = static_cast<double>(images.a[pixel * images.a_pitch + tile.channel]);
    b[i] = static_cast<double>(images.b[pixel * images.b_pitch + tile.channel]);
  }
}

constexpr int kMoments = 5;  // a, b, a^2, b^2, ab

// Weighted sums of the moments down kSsimWindow samples: columns[moment][row][x].
GPU_FN void sum_down(const SsimWeights& weights, const double* a, const double* b, double* columns) {
  for (int i = static_cast<int>(threadIdx.x); i < kTileH * kReachW; i += kThreads) {
    double sums[kMoments] = {};
#pragma unroll
    for (int u = 0; u < kSsimWindow; ++u) {
      const double pa = a[i + u * kReachW], pb = b[i + u * kReachW];
      const double ga = weights.g[u] * pa, gb = weights.g[u] * pb;
      sums[0] += ga;
      sums[1] += gb;
      sums[2] += ga * pa;
      sums[3] += gb * pb;
      sums[4] += ga * pb;
    }
#pragma unroll
    for (int k = 0; k < kMoments; ++k) columns[k * kTileH * kReachW + i] = sums[k];
  }
}

// A window's similarity and its derivatives; names as in ssim.h.
struct Similarity {
  double value, p, q, r;

  GPU_FN Similarity(const SsimWeights& weights, const double (&mean)[kMoments]) {
    const double ma = mean[0], mb = mean[1];
    const double a1 = 2 * ma * mb + weights.c1, a2 = 2 * (mean[4] - ma * mb) + weights.c2;
    const double b1 = ma * ma + mb * mb + weights.c1;
    const double b2 = (mean[2] - ma * ma) + (mean[3] - mb * mb) + weights.c2;
    const double both = b1 * b2;
    value = a1 * a2 / both;
    p = (2 * mb * (a2 - a1) - 2 * ma * value * (b2 - b1)) / both;
    q = -value / b2;
    r = 2 * a1 / both;
  }
};

// The similarity of the window whose first column is `columns`.
GPU_FN Similarity similarity_at(const SsimWeights& weights, const double* columns) {
  double mean[kMoments] = {};
#pragma unroll
  for (int k = 0; k < kMoments; ++k)
#pragma unroll
    for (int i = 0; i < kSsimWindow; ++i) mean[k] += weights.g[i] * columns[k * kTileH * kReachW + i];
  return Similarity(weights, mean);
}

// sums[tile] = the sum of its windows' similarities; derivatives[3][window], if they are wanted.
// ptxas: ssim_kernel registers<=64 shared<=27584
template <bool kGrad>
__global__ void __launch_bounds__(kThreads)
    ssim_kernel(const __grid_constant__ Tiles windows, const __grid_constant__ Images images,
                const __grid_constant__ SsimWeights weights, double* sums, double* derivatives,
                int64_t count) {
  GPU_SHARED(double, a, kReachH* kReachW);
  GPU_SHARED(double, b, kReachH* kReachW);
  GPU_SHARED(double, columns, kMoments* kTileH* kReachW);
  GPU_SHARED(double, shared, kThreads);
  const int dy = static_cast<int>(threadIdx.x) / kTileW, dx = static_cast<int>(threadIdx.x) % kTileW;
  for (int64_t index = blockIdx.x; index < windows.count; index += gridDim.x) {
    const Tile tile(windows, index);
    load_samples(images, tile, a, b);
    __syncthreads();
    sum_down(weights, a, b, columns);
    __syncthreads();
    const int y = tile.y + dy, x = tile.x + dx;
    double value = 0;
    if (y < windows.h && x < windows.w) {
      const Similarity s = similarity_at(weights, columns + dy * kReachW + dx);
      value = s.value;
      if (kGrad) {
        const int64_t at = ((tile.image * windows.h + y) * windows.w + x) * windows.c + tile.channel;
        derivatives[at] = s.p, derivatives[count + at] = s.q, derivatives[2 * count + at] = s.r;
      }
    }
    value = block_sum<kThreads>(value, shared);
    if (threadIdx.x == 0) sums[index] = value;
  }
}

// Derivatives of the windows that hold the tile's samples, those beyond the edges zero: part[row][x], from
// kSsimWindow - 1 before the tile.
GPU_FN void load_derivatives(const Tile& tile, const double* from, int rows, int columns, int c,
                             double* part) {
  for (int i = static_cast<int>(threadIdx.x); i < kReachH * kReachW; i += kThreads) {
    const int y = tile.y + i / kReachW - (kSsimWindow - 1), x = tile.x + i % kReachW - (kSsimWindow - 1);
    const bool inside = y >= 0 && y < rows && x >= 0 && x < columns;
    part[i] = inside ? from[((tile.image * rows + y) * columns + x) * c + tile.channel] : 0.0;
  }
}

// dx of every sample from the derivatives of the windows that hold it: along the lines, then down.
// ptxas: ssim_grad_kernel registers<=48 shared<=10656
__global__ void __launch_bounds__(kThreads)
    ssim_grad_kernel(const __grid_constant__ Tiles samples, const __grid_constant__ Images images,
                     const __grid_constant__ SsimWeights weights, const double* derivatives, int64_t count,
                     float* dx) {
  constexpr int kDerivatives = 3;
  GPU_SHARED(double, part, kReachH* kReachW);
  GPU_SHARED(double, lines, kReachH* kTileW);
  const int t = static_cast<int>(threadIdx.x), row = t / kTileW, column = t % kTileW;
  const int rows = images.h - kSsimWindow + 1, columns = images.w - kSsimWindow + 1;
  for (int64_t index = blockIdx.x; index < samples.count; index += gridDim.x) {
    const Tile tile(samples, index);
    double spread[kDerivatives] = {};
#pragma unroll
    for (int d = 0; d < kDerivatives; ++d) {
      load_derivatives(tile, derivatives + d * count, rows, columns, samples.c, part);
      __syncthreads();
      for (int i = t; i < kReachH * kTileW; i += kThreads) {
        double sum = 0;
#pragma unroll
        for (int u = 0; u < kSsimWindow; ++u)
          sum += weights.g[kSsimWindow - 1 - u] * part[i / kTileW * kReachW + i % kTileW + u];
        lines[i] = sum;
      }
      __syncthreads();
#pragma unroll
      for (int u = 0; u < kSsimWindow; ++u)
        spread[d] += weights.g[kSsimWindow - 1 - u] * lines[(row + u) * kTileW + column];
    }
    const int y = tile.y + row, x = tile.x + column;
    if (y < samples.h && x < samples.w) {
      const int64_t pixel = (tile.image * samples.h + y) * samples.w + x;
      const auto a = static_cast<double>(images.a[pixel * images.a_pitch + tile.channel]);
      const auto b = static_cast<double>(images.b[pixel * images.b_pitch + tile.channel]);
      dx[pixel * samples.c + tile.channel] =
          static_cast<float>((spread[0] + 2 * a * spread[1] + b * spread[2]) / static_cast<double>(count));
    }
  }
}

Tiles windows_of(Shape s) {
  return {s.n, s.h - kSsimWindow + 1, s.w - kSsimWindow + 1, s.c};
}

int64_t window_count(Shape s) {
  return s.n * (s.h - kSsimWindow + 1) * (s.w - kSsimWindow + 1) * s.c;
}

dim3 grid_of(const Queue& queue, const Tiles& tiles) {
  return dim3(static_cast<unsigned>(tiles.count < queue.blocks ? tiles.count : queue.blocks));
}

Images images_of(Shape s, ConstView a, ConstView b) {
  return {as<float>(a), as<float>(b), a.pitch, b.pitch, static_cast<int>(s.h), static_cast<int>(s.w)};
}

}  // namespace

int64_t ssim_workspace(Shape shape) {
  return windows_of(shape).count;
}

int64_t ssim_grad_workspace(Shape shape) {
  return ssim_workspace(shape) + 3 * window_count(shape);
}

void ssim(const Queue& queue, Shape shape, ConstView a, ConstView b, double peak, double* result,
          double* workspace) {
  const Tiles windows = windows_of(shape);
  const int64_t count = window_count(shape);
  gpu::launch(ssim_kernel<false>, grid_of(queue, windows), dim3(kThreads), 0, queue.stream, windows,
              images_of(shape, a, b), SsimWeights(peak), workspace, nullptr, count);
  add_all(queue, windows.count, workspace, static_cast<double>(count), result);
}

void ssim_grad(const Queue& queue, Shape shape, ConstView a, ConstView b, double peak, double* result,
               float* dx, double* workspace) {
  const Tiles windows = windows_of(shape), samples(shape.n, shape.h, shape.w, shape.c);
  const int64_t count = window_count(shape);
  double* const derivatives = workspace + windows.count;
  gpu::launch(ssim_kernel<true>, grid_of(queue, windows), dim3(kThreads), 0, queue.stream, windows,
              images_of(shape, a, b), SsimWeights(peak), workspace, derivatives, count);
  add_all(queue, windows.count, workspace, static_cast<double>(count), result);
  gpu::launch(ssim_grad_kernel, grid_of(queue, samples), dim3(kThreads), 0, queue.stream, samples,
              images_of(shape, a, b), SsimWeights(peak), derivatives, count, dx);
}

namespace {

Doubles ssim_of(const Tensor& a, const Tensor& b, double peak) {
  const Doubles workspace(ssim_workspace(a.shape())), result(1);
  telling([&] { ssim(queue(), a.shape(), view(a), view(b), peak, result.data(), workspace.data()); },
          "ssim of ", a.shape());
  return result;
}

}  // namespace

double ssim(const Tensor& a, const Tensor& b, double peak) {
  return first(ssim_of(a, b, peak));
}

Tensor ssim_value(const Tensor& a, const Tensor& b, double peak) {
  return rounded(ssim_of(a, b, peak));
}

Tensor ssim_grad(const Tensor& a, const Tensor& b, double peak) {
  Tensor dx = like(a, a.shape());
  const Doubles workspace(ssim_grad_workspace(a.shape())), result(1);
  telling(
      [&] {
        ssim_grad(queue(), a.shape(), view(a), view(b), peak, result.data(),
                  static_cast<float*>(dx.address()), workspace.data());
      },
      "ssim_grad of ", a.shape());
  return dx;
}

}  // namespace sr::cuda
