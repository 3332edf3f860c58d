// The weights' gradient of dense 3x3 convolutions in TF32 on Hopper's warpgroup matrix products: a GEMM whose
// inner dimension runs over pixels.
//
// One of x and dy is the kernel's `shifted` tensor, the other its `still` one: with
//   s[ky][kx][a][b] = sum over pixels p of shifted[p + (ky-1, kx-1)][a] still[p][b]
// dw[b][ky][kx][a] = s[ky][kx][a][b] if x is shifted, dw[a][ky][kx][b] = s[2-ky][2-kx][a][b] if dy is. Chosen
// is what has 64 or 80 channels: rows of a product, 16 for each warp, are channels of the shifted tensor for
// one kx. So 80 channels are 15 of 16 warps' rows, where 64 rows for each kx would be three quarters full.
//
// A block goes down pieces of 32 columns and up to 16 rows of pixels, by two rows a step. The shifted rows
// are A: lanes load and round them, as registers, and each fragment serves all three ky, whose still rows are
// the one below, the same and the one above. The still rows are B, which TF32 wants with pixels together:
// threads transpose and round them a step ahead, while the products go on. The shift by kx, which in B would
// be less than a descriptor's unit, is another address of A.
//
// Both tensors arrive by the copy engine, zeros outside of the image, in a ring of stages. A warp waits for
// others only at the beginning of a step, until all have transposed their share of it: they may be a step
// apart.
//
// Which pixels a block adds up depends on the sizes and the number of layers only, so the bits do not depend
// on the device.
#include "tensor/conv2d/cuda/sm90/grad_weight_tf32.h"

#include <algorithm>

#include "tensor/conv2d/cuda/partial.h"
#include "tensor/conv2d/cuda/sm90/grad_weight_tf32_tile.h"

namespace sr::cuda {
namespace {

/// Asks for a block's stages in their order: for the one thread that does. A piece of P pairs of rows takes
/// P + 1 steps; step s multiplies the shifted rows 2s - 1 and 2s of the piece. Its stage holds these, and the
/// pair of still rows that the step after it begins with, if it is not the last of a piece.
template <class C>
class StageLoader {
 public:
  GPU_FN explicit StageLoader(const GradWeightTf32Args& a) : number_(static_cast<int>(blockIdx.x)) {
    open(a);
  }

  /// The still rows of the first step.
  GPU_FN void load_first(const GradWeightTf32Args& a, unsigned char* stage, gpu::Barrier* barrier) const {
    gpu::barrier_expect(barrier, C::kStillBoxes * C::kStillBoxBytes);
    load_still(a, stage, barrier);
  }
  /// The next stage, if there is one.
  GPU_FN void load(const GradWeightTf32Args& a, unsigned char* stage, gpu::Barrier* barrier) {
    if (number_ >= a.pieces.count) return;
    const int x = x_ - 1, y = y_ + 2 * step_ - 1, image = image_;
    if (++step_ > pairs_) number_ += a.chunks, open(a);
    const bool still = number_ < a.pieces.count && step_ < pairs_;
    gpu::barrier_expect(barrier, C::kShiftedBoxes * 2 * C::kShiftedPixels * kBoxPixelBytes +
                                     (still ? C::kStillBoxes * C::kStillBoxBytes : 0));
    const gpu::TensorMap* const map = a.shifted + blockIdx.y;
    for (int i = 0; i < 2 * C::kShiftedBoxes; ++i) {
      gpu::tensor_copy(stage + i * C::kRowBytes, map, barrier, i / 2 * kBoxChannels, x, y + i % 2, image);
    }
    if (still) load_still(a, stage, barrier);
  }

 private:
  GPU_FN void open(const GradWeightTf32Args& a) {
    if (number_ >= a.pieces.count) return;
    const Piece p(a.pieces, number_);
    step_ = 0, pairs_ = p.pairs, image_ = p.image, y_ = p.y, x_ = p.x;
  }
  GPU_FN void load_still(const GradWeightTf32Args& a, unsigned char* stage, gpu::Barrier* barrier) const {
    const gpu::TensorMap* const map = a.still + blockIdx.y;
    for (int i = 0; i < C::kStillBoxes; ++i) {
      gpu::tensor_copy(stage + C::kStill + i * C::kStillBoxBytes, map, barrier, i * kBoxChannels, x_,
                       y_ + 2 * step_, image_);
    }
  }
  int number_, step_ = 0, pairs_ = 0, image_ = 0, y_ = 0, x_ = 0;
};

/// Where channel `c` of pixel `p` of a box lies in it, as the copy engine swizzles.
GPU_FN int box_offset(int p, int c) {
  return p * kBoxPixelBytes + (c / 4 ^ p % 8) * 16 + c % 4 * 4;
}

GPU_FN uint32_t rounded_word(const unsigned char* p) {
  return gpu::rounded_operand(*reinterpret_cast<const uint32_t*>(p));
}

/// A stage's still rows as B, rounded: by all threads.
template <class C>
GPU_FN void transpose(const unsigned char* stage, unsigned char* pair) {
  for (int i = static_cast<int>(threadIdx.x); i < 2 * kColumns / 4 * C::kN; i += C::kThreads) {
    const int c = i % C::kN, quad = i / C::kN;  // four pixels
    const unsigned char* const box = stage + C::kStill + c / kBoxChannels * C::kStillBoxBytes;
    uint32_t v[4];
#pragma unroll
    for (int k = 0; k < 4; ++k) v[k] = rounded_word(box + box_offset(4 * quad + k, c % kBoxChannels));
    *reinterpret_cast<uint4*>(pair + quad / 2 * C::kOperandBytes + c / 8 * 256 + quad % 2 * 128 +
                              c % 8 * 16) = make_uint4(v[0], v[1], v[2], v[3]);
  }
}

/// Where a lane's values of A lie in a row of shifted pixels: of the first eight pixels, the others follow.
struct LaneOffsets {
  int of[4];

  template <int Rows>
  GPU_FN LaneOffsets(const WarpRows<Rows>& rows, int row_bytes) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int row = lane / 4 + i % 2 * 8;
      of[i] =
          rows.box * 2 * row_bytes + box_offset(rows.kx + lane % 4 + i / 2 * 4, 4 * rows.unit(row) + row % 4);
    }
  }
};

/// Products of a step's two shifted rows with the pair of still rows before theirs, if `Before`, and with
/// theirs, if `Now`: begun, and the last of them not waited for.
template <class C, bool Before, bool Now>
GPU_FN void multiply_rows(typename C::Sums& sums, const LaneOffsets& lane, const unsigned char* stage,
                          const unsigned char* before, const unsigned char* now) {
  constexpr int kProducts = kColumns / kStepColumns;
  const uint64_t descriptor = gpu::matrix_descriptor(gpu::Swizzle::none, 128, 256),
                 b_before = descriptor + gpu::matrix_start(gpu::shared_address(before)),
                 b_now = descriptor + gpu::matrix_start(gpu::shared_address(now));
  typename C::Fragments a[2];  // one is loaded while the products of the other are under way
#pragma unroll
  for (int k = 0; k < kProducts; ++k) {
    if (k >= 2) gpu::wgmma_wait<1>();
    typename C::Fragments& f = a[k % 2];
#pragma unroll
    for (int row = 0; row < 2; ++row) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        f[row][i] = rounded_word(stage + lane.of[i] + row * C::kRowBytes + k * kStepColumns * kBoxPixelBytes);
      }
      gpu::pin(f[row]);
    }
    gpu::wgmma_fence();
#pragma unroll
    for (int row = 0; row < 2; ++row) {
#pragma unroll
      for (int ky = 0; ky < 3; ++ky) {
        const int still = row + 2 - ky;  // 0, 1: of `before`; 2, 3: of `now`
        if (still < 2 ? !Before : !Now) continue;
        gpu::wgmma_rs<float, C::kN>(
            sums[ky], f[row],
            (still < 2 ? b_before : b_now) +
                gpu::matrix_start(static_cast<uint32_t>((still % 2 * kProducts + k) * C::kOperandBytes)));
      }
    }
    gpu::wgmma_commit();
  }
}

/// A block's shared memory.
template <class C>
struct GradWeightMemory {
  unsigned char *stages, *pairs;
  gpu::Barrier *arrived, *transposed;  // arrived: of each stage

  GPU_FN explicit GradWeightMemory(gpu::Smem& smem) {
    stages = smem.get<unsigned char>(C::kStages * C::kStageBytes, 1024);
    pairs = smem.get<unsigned char>(C::kPairs * C::kPairBytes, 128);
    arrived = smem.get<gpu::Barrier>(C::kBarrierBytes / 8);
    transposed = arrived + C::kStages;
  }
  GPU_FN unsigned char* stage(int i) const { return stages + i * C::kStageBytes; }
  GPU_FN unsigned char* pair(int i) const { return pairs + i % C::kPairs * C::kPairBytes; }

  /// By all threads.
  GPU_FN void init() const {
    if (threadIdx.x == 0) {
      for (int i = 0; i < C::kStages; ++i) gpu::barrier_init(arrived + i, 1);
      gpu::barrier_init(transposed, C::kWarps);
      gpu::barrier_init_done();
    }
    __syncthreads();
  }
  /// The warp has read what it needs of a stage, and transposed its share.
  GPU_FN void end_stage() const {
    gpu::fence_async();
    __syncwarp();
    if (threadIdx.x % 32 == 0) gpu::barrier_arrive(transposed);
    __syncwarp();
  }
};

template <class C>
GPU_FN void write_part(const typename C::Sums& sums, float* part, int warp) {
  float* to = part + warp * 3 * (C::kN / 8) * 128 + threadIdx.x % 32 * 4;
#pragma unroll
  for (int ky = 0; ky < 3; ++ky) {
#pragma unroll
    for (int j = 0; j < C::kN / 8; ++j, to += 128) {
      const float* const from = sums[ky] + 4 * j;
      *reinterpret_cast<float4*>(to) = make_float4(from[0], from[1], from[2], from[3]);
    }
  }
}

// blockIdx.x: chunk; blockIdx.y: layer.
// ptxas: grad_weight_tf32_kernel registers<=168
template <class C>
__global__ void __launch_bounds__(C::kThreads, 1)
    grad_weight_tf32_kernel(const __grid_constant__ GradWeightTf32Args a) {
  gpu::Smem smem;
  const GradWeightMemory<C> memory(smem);
  memory.init();
  const bool leader = threadIdx.x == 0;
  StageLoader<C> loader(a);
  if (leader) {
    loader.load_first(a, memory.stage(0), memory.arrived);
    for (int i = 1; i < C::kStages; ++i) loader.load(a, memory.stage(i), memory.arrived + i);
  }
  __syncwarp();
  const int warp = __shfl_sync(0xffffffffu, static_cast<int>(threadIdx.x) / 32, 0);
  const LaneOffsets lane(WarpRows<C::kRows>(min(warp, C::kUnits - 1)), C::kRowBytes);

  typename C::Sums sums;
#pragma unroll
  for (int ky = 0; ky < 3; ++ky) {
#pragma unroll
    for (int i = 0; i < C::kN / 2; ++i) sums[ky][i] = 0.0f;
    gpu::pin(sums[ky]);
  }

  gpu::barrier_wait(memory.arrived, 0);
  transpose<C>(memory.stage(0), memory.pair(0));
  memory.end_stage();
  int stage = 1, step = 0;  // step of the block
  uint32_t parity = 0;      // of the stage
  // more: whether a pair of still rows comes with the stage.
  const auto do_step = [&](auto before, auto now, bool more) {
    gpu::barrier_wait(memory.transposed, static_cast<uint32_t>(step) % 2);
    gpu::barrier_wait(memory.arrived + stage, parity);
    const int last_stage = stage == 0 ? C::kStages - 1 : stage - 1;  // which all warps have done with
    if (leader) loader.load(a, memory.stage(last_stage), memory.arrived + last_stage);
    __syncwarp();
    multiply_rows<C, decltype(before)::value != 0, decltype(now)::value != 0>(
        sums, lane, memory.stage(stage), memory.pair(step + C::kPairs - 1), memory.pair(step));
    if (more) transpose<C>(memory.stage(stage), memory.pair(step + 1));
    memory.end_stage();
    gpu::wgmma_wait<0>();
#pragma unroll
    for (int ky = 0; ky < 3; ++ky) gpu::pin(sums[ky]);
    ++step;
    if (++stage == C::kStages) stage = 0, parity ^= 1;
  };
  for (int number = static_cast<int>(blockIdx.x); number < a.pieces.count; number += a.chunks) {
    const int pairs = Piece(a.pieces, number).pairs;
    do_step(gpu::Int<0>(), gpu::Int<1>(), pairs > 1);
#pragma unroll 1
    for (int s = 1; s < pairs; ++s) do_step(gpu::Int<1>(), gpu::Int<1>(), s + 1 < pairs);
    do_step(gpu::Int<1>(), gpu::Int<0>(), number + a.chunks < a.pieces.count);
  }
  if (warp < C::kUnits) {
    write_part<C>(
        sums, a.part + (static_cast<long long>(blockIdx.y) * a.chunks + blockIdx.x) * C::kPartElements, warp);
  }
}

/// The results of the layers of a launch.
struct GradWeights {
  float* of[kMostGradWeights];
};

constexpr int kSumThreads = 256;

// ptxas: sum_grad_weight_tf32_kernel registers<=40
template <class C>
__global__ void __launch_bounds__(kSumThreads)
    sum_grad_weight_tf32_kernel(const float* part, int parts, const __grid_constant__ GradWeights dw) {
  const int layer = static_cast<int>(blockIdx.y);
  sum_parts(part + static_cast<long long>(layer) * parts * C::kPartElements, parts, C::kPartElements,
            PartIndex<C>(), dw.of[layer]);
}

/// Calls f with the kernel of this shape, if there is one.
template <class F>
void with_grad_weight_tf32(const ConvRun& r, F f) {
  if (!has_short_rows(r) || r.stride != 1 || r.groups != 1 || r.kh != 3 || r.kw != 3 || r.pad_h != 1 ||
      r.pad_w != 1 || r.oh != r.h || r.ow != r.w)
    return;
  const auto is = [&r](int c, int o) { return r.c == c && r.o == o; };
  if (is(64, 64)) f(GradWeightTf32<64, 64>());
  if (is(64, 48)) f(GradWeightTf32<64, 48>());
  if (is(32, 64)) f(GradWeightTf32<32, 64>());
  if (is(48, 64)) f(GradWeightTf32<48, 64>());
  if (is(48, 80)) f(GradWeightTf32<48, 80>());
}

/// Parts that the pieces of each of `layers` are dealt to: together enough for an H100's 132 multiprocessors.
/// Must not depend on the device.
int grad_weight_chunks(const Pieces& pieces, int layers) {
  return std::min(pieces.count, 132 / layers);
}

int64_t bytes(const ConvProblem& p, const ConvDevice& device) {
  int64_t bytes = 0;
  if (device.wgmma && p.op == ConvOp::grad_weight && p.aligned() && p.types.math == Math::tf32 &&
      p.types.x == DType::f32 && p.types.y == DType::f32) {
    with_grad_weight_tf32(p.run, [&](auto c) {
      const int64_t chunks = grad_weight_chunks(Pieces(p.run.n, p.run.h, p.run.w), p.layers);
      bytes = p.layers * chunks * decltype(c)::kPartElements * 4;
    });
  }
  return bytes;
}

template <class C>
void launch_grad_weights(const ConvRun& r, std::span<const GradWeightTask> layers, float* partial,
                         const ConvDevice& device) {
  const Pieces pieces(r.n, r.h, r.w);
  const auto count = static_cast<unsigned>(layers.size());
  GradWeightTf32Args a{{}, {}, partial, pieces, grad_weight_chunks(pieces, static_cast<int>(count))};
  GradWeights results{};
  for (size_t i = 0; i < layers.size(); ++i) {
    const auto map = [&](const void* data, int c, long long pitch, int w, int h) {
      return gpu::image_map(data, 4, r.n, r.h, r.w, c, pitch, w, h, gpu::Swizzle::bytes128);
    };
    const auto x = [&](int w, int h) { return map(layers[i].x, r.c, r.x_pitch, w, h); };
    const auto dy = [&](int w, int h) { return map(layers[i].dy, r.o, r.y_pitch, w, h); };
    a.shifted[i] = C::kShiftsX ? x(C::kShiftedPixels, 1) : dy(C::kShiftedPixels, 1);
    a.still[i] = C::kShiftsX ? dy(kColumns, 2) : x(kColumns, 2);
    results.of[i] = layers[i].dw;
  }
  gpu::launch(grad_weight_tf32_kernel<C>, dim3(static_cast<unsigned>(a.chunks), count), dim3(C::kThreads),
              C::kSharedBytes, device.stream, a);
  gpu::launch(sum_grad_weight_tf32_kernel<C>, dim3((C::kPartElements + kSumThreads - 1) / kSumThreads, count),
              dim3(kSumThreads), 0, device.stream, partial, a.chunks, results);
}

void grad_weights(const ConvProblem& p, std::span<const GradWeightTask> layers, void* partial,
                  const ConvDevice& device) {
  with_grad_weight_tf32(p.run, [&](auto c) {
    launch_grad_weights<decltype(c)>(p.run, layers, static_cast<float*>(partial), device);
  });
}

}  // namespace

const ConvAlgorithm kGradWeightTf32{"grad_weight_tf32", bytes, nullptr, nullptr, grad_weights};

}  // namespace sr::cuda
