// The gradient of a weight is a product for each tap whose inner dimension runs over pixels. Of its two
// tensors, x and dy, one lies still and is the product's A; the other slides along it, by tap, and is B:
//   gradient[tap][a's channel][b's channel] = sum over pixels p of a[p] b[p + tap - 1].
// If x slides, tap is the weight's; if dy does, it is the weight's turned around. Whichever wastes fewer of
// A's 64 rows and gives B the fewer columns slides.
//
// Tiles of 5 rows x 32 pixels (an image of 29x29 has six, and loses an eighth) come by the copy engine, 64
// channels of a pixel in 128 bytes, with zeros outside of the image and beyond the channels; the sliding
// tensor's have a border of a pixel. They wait in a ring of slots. A warpgroup takes one row of taps. For 16
// pixels it loads A once into registers, transposed by ldmatrix, and multiplies it with B at the three
// columns of taps, transposed by the product itself, whose start moves on by whole pixels: 2 + 3 x 2 KB of
// shared memory for 96 cycles of the tensor cores with 64 columns, two thirds of what it can give. (With A
// read from shared memory by each product it would be all of it. A product of three times the columns, whose
// blocks of 64 overlap, 128 bytes apart, would read as little; no hardware was seen to do that.)
//
// The bias's gradient, the sum of dy, is added up on the way: dy's pixels lie in shared memory anyway.
//
// One launch serves several layers. A block answers for every `chunks`-th tile of a layer and writes its
// part, which a second kernel adds to the others in order. How pixels are cut depends on the sizes and the
// number of layers only, so the bits do not depend on the device.
#include "tensor/conv2d/cuda/sm90/grad_weight.h"

#include <algorithm>

#include "tensor/conv2d/cuda/bias_sums.h"
#include "tensor/conv2d/cuda/operand_types.h"
#include "tensor/conv2d/cuda/partial.h"
#include "tensor/cuda/hopper.h"

namespace sr::cuda {
namespace {

struct SlidingArgs {
  gpu::TensorMap still[kMostGradWeights], sliding[kMostGradWeights];
  float* part;  // [layer][chunk][SlidingPart]
  int rows, columns, tiles, chunks;
  bool biases;  // whether a layer's is wanted
};

/// The results of the layers of a launch; db may be null.
struct SlidingResults {
  float *dw[kMostGradWeights], *db[kMostGradWeights];
};

/// Which element of the weight [o,3,3,c] a lane's value is: parts are [row of taps][still channels /
/// 16][column of taps][sliding channels / 8][lane][4], then the bias's.
struct SlidingPart {
  int still, sliding;
  bool x_slides;

  GPU_HD constexpr int outputs() const { return x_slides ? still : sliding; }
  GPU_HD constexpr int weights() const { return 9 * still * sliding; }
  GPU_HD constexpr int elements() const { return weights() + outputs(); }
  GPU_HD int operator()(int e) const {
    if (e >= weights()) return -1;
    const int r = e % 4, lane = e / 4 % 32, tile = e / 128, columns = sliding / 8;
    const int j = tile % columns, kx = tile / columns % 3, m = tile / columns / 3 % (still / 16),
              ky = tile / columns / 3 / (still / 16);
    const int row = 16 * m + 8 * (r / 2) + lane / 4, column = 8 * j + 2 * (lane % 4) + r % 2;
    return x_slides ? ((row * 3 + ky) * 3 + kx) * sliding + column
                    : ((column * 3 + 2 - ky) * 3 + 2 - kx) * still + row;
  }
};

/// T is the operands' and the storage type; channels of the tensor that lies still, and of the one that
/// slides.
template <class T_, int Still, int Sliding, bool XSlides>
struct SlidingGradWeight {
  using T = T_;
  static constexpr int kStill = Still, kSliding = Sliding, kThreads = 3 * 128;
  static constexpr bool kXSlides = XSlides;
  static constexpr int kTileH = 5, kTileW = 32, kBoxH = kTileH + 2, kBoxW = kTileW + 2, kPixelBytes = 128;
  static constexpr int kBlocks = (Sliding + 63) / 64;  // of 64 channels that slide
  static constexpr int kStillBytes = kTileH * kTileW * kPixelBytes, kBoxBytes = kBoxH * kBoxW * kPixelBytes;
  static constexpr int kBlockBytes = (kBoxBytes + 1023) / 1024 * 1024;
  static constexpr int kSlotBytes = kStillBytes + kBlocks * kBlockBytes;
  static constexpr int kMostShared = 227 * 1024, kBarrierBytes = 64;
  static constexpr int kSlots = std::min(4, (kMostShared - kBarrierBytes) / kSlotBytes);
  static constexpr int kSharedBytes = kSlots * kSlotBytes + kBarrierBytes;
  GPU_HD static constexpr SlidingPart part() { return {Still, Sliding, XSlides}; }
  static_assert(Still % 16 == 0 && Still <= 64 && Sliding % 8 == 0 && Sliding <= 128);
  static_assert(kStillBytes % 1024 == 0 && kSlots >= 2 && 16 * kSlots <= kBarrierBytes);

  using Sums = float[3][Sliding / 2];  // of the columns of taps
  using Bias = BiasSums<T, XSlides ? Still : Sliding, kThreads>;
  static_assert(Bias::kSharedBytes <= kSlotBytes);

  /// The descriptor of 16 pixels that slide, without their address.
  GPU_HD static constexpr uint64_t b() {
    return gpu::matrix_descriptor(gpu::Swizzle::bytes128, kBlockBytes, 8 * kPixelBytes);
  }
};

/// A block's ring. A slot holds the tile that lies still, then blocks of channels of the one that slides.
template <class V>
struct TileRing {
  unsigned char* slots;
  gpu::Barrier *arrived, *read;  // of each slot; each warp says that it has read

  GPU_FN explicit TileRing(gpu::Smem& smem) {
    slots = smem.get<unsigned char>(V::kSlots * V::kSlotBytes, 1024);
    arrived = smem.get<gpu::Barrier>(2 * V::kSlots);
    read = arrived + V::kSlots;
  }
  /// By one thread.
  GPU_FN void init() const {
    for (int i = 0; i < V::kSlots; ++i) {
      gpu::barrier_init(arrived + i, 1);
      gpu::barrier_init(read + i, V::kThreads / 32);
    }
    gpu::barrier_init_done();
  }
};

/// A way through the ring.
template <int Slots>
struct RingPlace {
  int slot = 0;
  uint32_t parity = 0;

  GPU_FN void step() {
    if (++slot == Slots) slot = 0, parity ^= 1;
  }
};

/// The block's tiles in their order: for the one thread that asks for them.
template <class V>
class TileLoader {
 public:
  GPU_FN TileLoader() : tile_(static_cast<int>(blockIdx.x)) {}

  /// Starts the next tile's copies, if there is one, when its slot has been read.
  GPU_FN void load(const SlidingArgs& a, const TileRing<V>& ring) {
    if (tile_ >= a.tiles) return;
    gpu::barrier_wait(ring.read + place_.slot, place_.parity ^ 1);  // nothing for the first
    const int x = tile_ % a.columns * V::kTileW, y = tile_ / a.columns % a.rows * V::kTileH,
              image = tile_ / a.columns / a.rows, layer = static_cast<int>(blockIdx.y);
    gpu::Barrier* const arrived = ring.arrived + place_.slot;
    unsigned char* const slot = ring.slots + place_.slot * V::kSlotBytes;
    gpu::barrier_expect(arrived, V::kStillBytes + V::kBlocks * V::kBoxBytes);
    gpu::tensor_copy(slot, &a.still[layer], arrived, 0, x, y, image);
    for (int i = 0; i < V::kBlocks; ++i) {
      gpu::tensor_copy(slot + V::kStillBytes + i * V::kBlockBytes, &a.sliding[layer], arrived, 64 * i, x - 1,
                       y - 1, image);
    }
    tile_ += a.chunks;
    place_.step();
  }

 private:
  int tile_;
  RingPlace<V::kSlots> place_;
};

/// Where in 16 pixels that lie still the lane's row of 16 bytes for ldmatrix is: of its warp's 16 channels.
GPU_FN int still_offset() {
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32 % 4;
  const int pixel = lane / 16 * 8 + lane % 8, unit = 2 * warp + lane / 8 % 2;
  return pixel * 128 + ((unit ^ (pixel % 8)) * 16);
}

/// Products of a row of the tile with a row of taps. still: at the lane's still_offset(); sliding: the row's
/// first pixel for the first of the taps.
template <class V>
GPU_FN void multiply_row(typename V::Sums& sums, const unsigned char* still, const unsigned char* sliding) {
  constexpr int kSteps = V::kTileW / 16;
  uint32_t a[kSteps][4];
#pragma unroll
  for (int s = 0; s < kSteps; ++s) {
    gpu::ldmatrix_x4_trans(a[s], still + s * 16 * V::kPixelBytes);
    gpu::pin(a[s]);
  }
  const uint64_t b = V::b() + gpu::matrix_start(gpu::shared_address(sliding));
#pragma unroll
  for (int kx = 0; kx < 3; ++kx) gpu::pin(sums[kx]);
  gpu::wgmma_fence();
#pragma unroll
  for (int s = 0; s < kSteps; ++s) {
#pragma unroll
    for (int kx = 0; kx < 3; ++kx) {
      gpu::wgmma_rs<typename V::T, V::kSliding, true>(
          sums[kx], a[s], b + gpu::matrix_start(static_cast<uint32_t>((s * 16 + kx) * V::kPixelBytes)));
    }
  }
  gpu::wgmma_commit();
  gpu::wgmma_wait<0>();  // the other two warpgroups' products go on meanwhile
#pragma unroll
  for (int kx = 0; kx < 3; ++kx) gpu::pin(sums[kx]);
}

/// Writes the sums of a row of taps.
template <class V>
GPU_FN void write_sums(const typename V::Sums& sums, float* part, int ky) {
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32 % 4;
  constexpr int kRowTiles = V::kStill / 16, kColumns = V::kSliding / 8;
  if (warp >= kRowTiles) return;
  float* const to = part + (ky * kRowTiles + warp) * 3 * kColumns * 128 + lane * 4;
#pragma unroll
  for (int kx = 0; kx < 3; ++kx) {
#pragma unroll
    for (int j = 0; j < kColumns; ++j) {
      const float* const d = sums[kx] + 4 * j;
      *reinterpret_cast<float4*>(to + (kx * kColumns + j) * 128) = make_float4(d[0], d[1], d[2], d[3]);
    }
  }
}

/// Adds the tile's dy, without its border.
template <class V>
GPU_FN void add_pixels(typename V::Bias& bias, const unsigned char* slot) {
  constexpr int kBorder = V::kXSlides ? 0 : 1, kPitch = V::kTileW + 2 * kBorder;
  const int unit = V::Bias::unit();
  const unsigned char* const dy = V::kXSlides ? slot : slot + V::kStillBytes + unit / 8 * V::kBlockBytes;
  bias.template add<V::kTileW, V::kTileH>([&](int row, int column) {
    const int line = (row + kBorder) * kPitch + column + kBorder;
    return dy + line * V::kPixelBytes + (unit % 8 ^ line % 8) * 16;
  });
}

// blockIdx.x: chunk; blockIdx.y: layer.
// ptxas: sliding_grad_weight_kernel registers<=168
template <class V>
__global__ void __launch_bounds__(V::kThreads, 1)
    sliding_grad_weight_kernel(const __grid_constant__ SlidingArgs a) {
  gpu::Smem smem;
  const TileRing<V> ring(smem);
  const int thread = static_cast<int>(threadIdx.x);
  const int ky =
      __shfl_sync(0xffffffffu, thread / 128, 0);  // the compiler then knows that all lanes share it
  if (thread == 0) ring.init();
  gpu::wait_for_earlier_kernels();
  gpu::let_later_kernels_start();
  __syncthreads();
  TileLoader<V> loader;
  if (thread == 0) {
    for (int i = 0; i < V::kSlots; ++i) loader.load(a, ring);
  }
  __syncwarp();

  typename V::Sums sums;
  typename V::Bias bias;
#pragma unroll
  for (int kx = 0; kx < 3; ++kx) {
#pragma unroll
    for (int i = 0; i < V::kSliding / 2; ++i) sums[kx][i] = 0.0f;
  }
  RingPlace<V::kSlots> place;
  const int chunk = static_cast<int>(blockIdx.x);
  for (int t = chunk; t < a.tiles; t += a.chunks) {
    gpu::barrier_wait(ring.arrived + place.slot, place.parity);
    const unsigned char* const slot = ring.slots + place.slot * V::kSlotBytes;
    const unsigned char* still = slot + still_offset();
    const unsigned char* sliding = slot + V::kStillBytes + ky * V::kBoxW * V::kPixelBytes;
    if (a.biases) add_pixels<V>(bias, slot);
    __syncwarp();
#pragma unroll 1
    for (int row = 0; row < V::kTileH; ++row) {
      multiply_row<V>(sums, still, sliding);
      still += V::kTileW * V::kPixelBytes, sliding += V::kBoxW * V::kPixelBytes;
      // The slot of the tile before: by now the other warpgroups will have read it too.
      if (row == 0 && t != chunk && thread == 0) loader.load(a, ring);
      __syncwarp();
    }
    if (thread % 32 == 0) gpu::barrier_arrive(ring.read + place.slot);
    __syncwarp();
    place.step();
  }
  float* const part = a.part + (static_cast<long long>(blockIdx.y) * a.chunks + chunk) * V::part().elements();
  write_sums<V>(sums, part, ky);
  if (!a.biases) return;
  __syncthreads();  // the last tile has been read
  bias.write(reinterpret_cast<float*>(ring.slots), part + V::part().weights());
}

constexpr int kSumThreads = 256;

// ptxas: sum_sliding_kernel registers<=40
__global__ void __launch_bounds__(kSumThreads)
    sum_sliding_kernel(const float* part, int parts, SlidingPart index,
                       const __grid_constant__ SlidingResults results) {
  gpu::wait_for_earlier_kernels();
  gpu::let_later_kernels_start();
  const int layer = static_cast<int>(blockIdx.y), elements = index.elements();
  part += static_cast<long long>(layer) * parts * elements;
  sum_parts(part, parts, elements, index, results.dw[layer]);
  if (results.db[layer]) sum_parts(part, parts, elements, BiasPart{index.weights()}, results.db[layer]);
}

/// Calls f with the kernel of a shape, if there is one.
template <class T, class F>
bool with_sliding(const ConvRun& r, F f) {
  if (r.kh != 3 || r.kw != 3 || r.pad_h != 1 || r.pad_w != 1 || r.stride != 1 || r.groups != 1 ||
      r.oh != r.h || r.ow != r.w)
    return false;
  const auto is = [&r](int c, int o) { return r.c == c && r.o == o; };
  if (is(64, 64)) return f(SlidingGradWeight<T, 64, 64, true>()), true;
  if (is(64, 48)) return f(SlidingGradWeight<T, 64, 48, false>()), true;
  if (is(32, 64)) return f(SlidingGradWeight<T, 64, 32, true>()), true;
  if (is(48, 64)) return f(SlidingGradWeight<T, 64, 48, true>()), true;
  if (is(48, 80)) return f(SlidingGradWeight<T, 48, 80, false>()), true;
  return false;
}

template <class V>
SlidingArgs tiles_of(const ConvRun& r, int layers) {
  SlidingArgs a{};
  a.rows = (r.h + V::kTileH - 1) / V::kTileH, a.columns = (r.w + V::kTileW - 1) / V::kTileW;
  a.tiles = r.n * a.rows * a.columns;
  a.chunks = std::min(a.tiles, 132 / layers);  // an H100's multiprocessors: must not depend on the device
  return a;
}

template <class V>
void launch_sliding(const ConvRun& r, std::span<const GradWeightTask> layers, float* partial,
                    const ConvDevice& device) {
  const auto count = static_cast<unsigned>(layers.size());
  SlidingArgs a = tiles_of<V>(r, static_cast<int>(count));
  SlidingResults results{};
  constexpr SlidingPart kPart = V::part();
  a.part = partial;
  for (size_t i = 0; i < layers.size(); ++i) {
    const auto map = [&](bool of_x, int box_w, int box_h) {
      return gpu::image_map(of_x ? layers[i].x : layers[i].dy, sizeof(typename V::T), r.n, r.h, r.w,
                            of_x ? r.c : r.o, of_x ? r.x_pitch : r.y_pitch, box_w, box_h,
                            gpu::Swizzle::bytes128);
    };
    a.still[i] = map(!kPart.x_slides, V::kTileW, V::kTileH);
    a.sliding[i] = map(kPart.x_slides, V::kBoxW, V::kBoxH);
    results.dw[i] = layers[i].dw, results.db[i] = layers[i].db;
    a.biases |= layers[i].db != nullptr;
  }
  gpu::launch_early(sliding_grad_weight_kernel<V>, dim3(static_cast<unsigned>(a.chunks), count),
                    dim3(V::kThreads), V::kSharedBytes, device.stream, a);
  gpu::launch_early(sum_sliding_kernel, dim3((kPart.elements() + kSumThreads - 1) / kSumThreads, count),
                    dim3(kSumThreads), 0, device.stream, partial, a.chunks, kPart, results);
}

int64_t bytes(const ConvProblem& p, const ConvDevice& device) {
  int64_t bytes = 0;
  if (device.wgmma && p.aligned() && p.op == ConvOp::grad_weight && p.types.x == p.types.y)
    with_half_operand(p.types.math, [&](auto t) {
      using T = decltype(t);
      if (p.types.y == kStorage<T>)
        with_sliding<T>(p.run, [&](auto v) {
          using V = decltype(v);
          bytes = int64_t{p.layers} * tiles_of<V>(p.run, p.layers).chunks * V::part().elements() * 4;
        });
    });
  return bytes;
}

void grad_weights(const ConvProblem& p, std::span<const GradWeightTask> layers, void* partial,
                  const ConvDevice& device) {
  with_half_operand(p.types.math, [&](auto t) {
    with_sliding<decltype(t)>(p.run, [&](auto v) {
      launch_sliding<decltype(v)>(p.run, layers, static_cast<float*>(partial), device);
    });
  });
}

}  // namespace

const ConvAlgorithm kGradWeight{"grad_weight", bytes,        nullptr,
                                nullptr,       grad_weights, true,
                                nullptr,       nullptr,      [](const ConvProblem&) { return true; }};

}  // namespace sr::cuda
