// tensor/cuda/hopper.h's instructions against loops, emulated and on a GPU of compute capability 9.0
// (hopper_device.cu). The layouts are written here once more, as the PTX ISA gives them
// (wgmma: shared memory matrix layout, register fragments; cp.async.bulk.tensor: swizzling modes). All
// numbers are small integers: sums are exact.
#include <gtest/gtest.h>

#include <cstring>
#include <type_traits>
#include <vector>

#include "tensor/cuda/device.h"
#include "tensor/cuda/hopper.h"
#include "tensor/random.h"
#include "tests/support/cuda_schedules.h"
#include "tests/support/device_array.h"

namespace sr {
namespace {

using gpu::Swizzle;

class CudaHopper : public testing::Test {
  void SetUp() override {
    if (!cuda::has_wgmma()) GTEST_SKIP() << "needs compute capability 9.0";
  }
};

constexpr int kRegion = 48 * 1024;  // bytes of shared memory for an operand
constexpr int kThreads = 128;

// Where an operand lies: from `start` on in its region.
struct Layout {
  Swizzle swizzle;
  uint32_t lbo, sbo, start;
};

/// d = d + 2 a b; a by descriptor or, if kFromRegisters, as fragments.
template <class T, int N, bool kFromRegisters, bool kTransA, bool kTransB>
__global__ void __launch_bounds__(kThreads)
    multiply(const uint4* a, const uint4* b, const uint32_t* fragments, float* d, Layout at_a, Layout at_b) {
  gpu::Smem shared;
  uint4* const as = shared.get<uint4>(kRegion / 16, 1024);
  uint4* const bs = shared.get<uint4>(kRegion / 16, 1024);
  const int t = static_cast<int>(threadIdx.x);
  for (int i = t; i < kRegion / 16; i += kThreads) as[i] = a[i], bs[i] = b[i];
  gpu::fence_async();
  __syncthreads();
  float sums[N / 2];
  for (int i = 0; i < N / 2; ++i) sums[i] = d[t * (N / 2) + i];
  const uint64_t b_matrix = gpu::matrix_descriptor(at_b.swizzle, at_b.lbo, at_b.sbo) +
                            gpu::matrix_start(gpu::shared_address(bs) + at_b.start);
  gpu::wgmma_fence();
  if constexpr (kFromRegisters) {
    uint32_t registers[4];
    for (int i = 0; i < 4; ++i) registers[i] = fragments[t * 4 + i];
    gpu::wgmma_fence();
    gpu::wgmma_rs<T, N, kTransB>(sums, registers, b_matrix);
    gpu::wgmma_rs<T, N, kTransB>(sums, registers, b_matrix);
  } else {
    const uint64_t a_matrix = gpu::matrix_descriptor(at_a.swizzle, at_a.lbo, at_a.sbo) +
                              gpu::matrix_start(gpu::shared_address(as) + at_a.start);
    gpu::wgmma_ss<T, N, kTransA, kTransB>(sums, a_matrix, b_matrix);
    gpu::wgmma_ss<T, N, kTransA, kTransB>(sums, a_matrix, b_matrix);
  }
  gpu::wgmma_commit();
  gpu::wgmma_wait<0>();
  gpu::pin(sums);
  for (int i = 0; i < N / 2; ++i) d[t * (N / 2) + i] = sums[i];
}

template <class T>
void put(std::vector<uint8_t>& bytes, size_t at, int value) {
  T stored;
  if constexpr (std::is_same_v<T, __half>) {
    stored = __float2half(static_cast<float>(value));
  } else if constexpr (std::is_same_v<T, __nv_bfloat16>) {
    stored = __float2bfloat16(static_cast<float>(value));
  } else {
    stored = static_cast<float>(value);
  }
  std::memcpy(&bytes.at(at), &stored, sizeof(T));
}

// The byte of element (outer, k) in the region: outer is a row of A or a column of B.
size_t byte_of(Layout l, bool transposed, int outer, int k, int element_bytes) {
  const int per_unit = 16 / element_bytes;
  const int together = transposed ? outer : k, apart = transposed ? k : outer;
  const int unit = together / per_unit, within = together % per_unit * element_bytes;
  const int row = l.swizzle == Swizzle::bytes128 ? 128 : l.swizzle == Swizzle::bytes64 ? 64 : 32;
  const int group = apart / 8, in_group = apart % 8, lbo = static_cast<int>(l.lbo),
            sbo = static_cast<int>(l.sbo);
  int at = static_cast<int>(l.start) + within;
  if (l.swizzle == Swizzle::none) {
    at += 16 * in_group + (transposed ? group * lbo + unit * sbo : group * sbo + unit * lbo);
    return static_cast<size_t>(at);
  }
  at += row * in_group + group * sbo + 16 * (unit % (row / 16)) + unit / (row / 16) * lbo;
  const int lines = at / 128 % 8;  // of 128 bytes
  const int units = at / 16 % 8, moved = units ^ (lines & (row / 16 - 1));
  return static_cast<size_t>(at + 16 * (moved - units));
}

// A matrix of small integers [outer][k] and its bytes in a region, the rest of which is NaN.
struct Operand {
  int depth;
  std::vector<int> values;
  std::vector<uint8_t> bytes = std::vector<uint8_t>(kRegion, 0xff);
  int at(int outer, int k) const { return values[static_cast<size_t>(outer * depth + k)]; }
};

template <class T>
Operand operand(Layout layout, bool transposed, int outer, Random& random) {
  Operand o{sizeof(T) == 2 ? 16 : 8, {}};
  for (int i = 0; i < outer * o.depth; ++i) {
    o.values.push_back(static_cast<int>(random.uniform() * 9) - 4);
    put<T>(o.bytes, byte_of(layout, transposed, i / o.depth, i % o.depth, sizeof(T)), o.values.back());
  }
  return o;
}

// Registers of A for each thread.
template <class T>
std::vector<uint32_t> fragments_of(const Operand& a) {
  std::vector<uint8_t> bytes(kThreads * 16);
  constexpr int kElements = 4 / sizeof(T);
  for (int i = 0; i < kThreads * 4 * kElements; ++i) {
    const int e = i % kElements, r = i / kElements % 4, lane = i / kElements / 4 % 32,
              warp = i / kElements / 128;
    const int row = 16 * warp + lane / 4 + 8 * (r & 1);
    const int k = kElements * (lane % 4) + e + 4 * kElements * (r >> 1);
    put<T>(bytes, static_cast<size_t>(i) * sizeof(T), a.at(row, k));
  }
  std::vector<uint32_t> registers(kThreads * 4);
  std::memcpy(registers.data(), bytes.data(), bytes.size());
  return registers;
}

std::vector<uint4> units(const std::vector<uint8_t>& bytes) {
  std::vector<uint4> u(bytes.size() / 16);
  std::memcpy(static_cast<void*>(u.data()), bytes.data(), bytes.size());
  return u;
}

template <class T, int N, bool kFromRegisters = false, bool kTransA = false, bool kTransB = false>
void expect_product(Layout at_a, Layout at_b) {
  Random random(N);
  const Operand a = operand<T>(at_a, kTransA, 64, random), b = operand<T>(at_b, kTransB, N, random);
  std::vector<float> before(64 * N);
  for (float& x : before) x = static_cast<float>(static_cast<int>(random.uniform() * 100));
  const DeviceArray<uint4> da(units(a.bytes)), db(units(b.bytes));
  const DeviceArray<uint32_t> fragments(fragments_of<T>(a));
  const DeviceArray<float> dd(before);
  gpu::launch(multiply<T, N, kFromRegisters, kTransA, kTransB>, dim3(1), dim3(kThreads), 2 * kRegion, nullptr,
              da.data(), db.data(), fragments.data(), dd.data(), at_a, at_b);
  const std::vector<float> after = dd.to_vector();
  int wrong = 0;
  for (int i = 0; i < 64 * N; ++i) {
    const int t = i / (N / 2), e = i % (N / 2), lane = t % 32;
    const int row = t / 32 * 16 + lane / 4 + 8 * (e / 2 % 2), column = e / 4 * 8 + lane % 4 * 2 + e % 2;
    int sum = 0;
    for (int k = 0; k < a.depth; ++k) sum += a.at(row, k) * b.at(column, k);
    wrong += after[static_cast<size_t>(i)] != before[static_cast<size_t>(i)] + static_cast<float>(2 * sum);
  }
  EXPECT_EQ(wrong, 0) << "N " << N << " bytes " << sizeof(T) << " registers " << kFromRegisters
                      << " swizzles " << static_cast<int>(at_a.swizzle) << ' '
                      << static_cast<int>(at_b.swizzle) << " starts " << at_a.start << ' ' << at_b.start
                      << " sbo " << at_a.sbo << " transposed " << kTransA << kTransB;
}

// K-major operands whose rows follow each other closely, from row `shift` on.
constexpr Layout planes(int rows, int shift = 0) {
  return {Swizzle::none, static_cast<uint32_t>(16 * rows + 128), 128, static_cast<uint32_t>(16 * shift)};
}
constexpr Layout rows128(int shift = 0, int step = 0, uint32_t sbo = 1024) {
  return {Swizzle::bytes128, 16, sbo, static_cast<uint32_t>(128 * shift + 32 * step)};
}
constexpr Layout rows64(int shift = 0, int step = 0, uint32_t sbo = 512) {
  return {Swizzle::bytes64, 16, sbo, static_cast<uint32_t>(64 * shift + 32 * step)};
}
constexpr Layout rows32(int shift = 0, uint32_t sbo = 256) {
  return {Swizzle::bytes32, 16, sbo, static_cast<uint32_t>(32 * shift)};
}

TEST_F(CudaHopper, ProductsOfEveryTypeAreThoseOfLoops) {
  in_every_schedule([] {
    expect_product<__half, 64>(planes(64), planes(64));
    expect_product<__nv_bfloat16, 64>(planes(64), planes(64));
    expect_product<float, 64>(planes(64), planes(64));
    expect_product<__half, 64, true>(planes(64), planes(64));
    expect_product<__nv_bfloat16, 64, true>(planes(64), planes(64));
    expect_product<float, 64, true>(planes(64), planes(64));
  });
}

TEST_F(CudaHopper, ProductsOfEveryWidthAreThoseOfLoops) {
  expect_product<__half, 8>(planes(64), planes(8));
  expect_product<__nv_bfloat16, 24>(rows128(), planes(24));
  expect_product<__half, 96>(rows128(), planes(96));
  expect_product<__half, 192>(rows128(), planes(192));
  expect_product<__half, 256>(rows128(), planes(256));
  expect_product<float, 120>(rows128(), planes(120));
  expect_product<float, 256, true>(rows128(), rows128());
  expect_product<__nv_bfloat16, 240, true>(rows128(), planes(240));
}

TEST_F(CudaHopper, OperandsMayBeSwizzledAndBeginAtAnyRow) {
  for (const int shift : {0, 1, 3, 8, 13}) {
    expect_product<__half, 64>(rows128(shift), planes(64, shift));
    expect_product<__half, 64>(rows128(shift, 2, 34 * 128), rows128(shift, 1));
    expect_product<__half, 64>(rows64(shift, 1), rows64(shift));
    expect_product<__half, 64>(rows64(shift, 0, 34 * 64), rows32(shift));
    expect_product<__half, 64>(rows32(shift), rows64(0, 1));
    expect_product<__half, 64>(rows32(shift, 34 * 32), rows128(0, 3));
    expect_product<float, 64>(rows128(shift, 3, 34 * 128), rows32(shift));
    expect_product<float, 64>(rows64(shift, 1), rows128(0, 2));
  }
}

TEST_F(CudaHopper, SixteenBitOperandsMayBeTransposed) {
  // [unit of M or N][half of K][8 of K][unit]; then rows of K with 64, 32 or 16 of M or N, in groups of
  // eight.
  constexpr Layout units{Swizzle::none, 128, 256, 0}, halves{Swizzle::none, 1024, 128, 0};
  constexpr Layout t128{Swizzle::bytes128, 4096, 1024, 0}, t64{Swizzle::bytes64, 1024, 512, 0},
      t32{Swizzle::bytes32, 512, 256, 0};
  expect_product<__half, 64, false, true, false>(units, planes(64));
  expect_product<__half, 64, false, true, true>(halves, units);
  expect_product<__half, 64, false, false, true>(rows128(), halves);
  expect_product<__half, 64, false, true, true>(t128, t64);
  expect_product<__half, 64, false, true, true>(t64, t32);
  expect_product<__half, 64, false, true, true>(t32, t128);
  expect_product<__half, 144, false, true, true>(t128, t128);
  expect_product<__half, 144, false, true, true>(t128, t32);
  expect_product<__nv_bfloat16, 64, false, true, true>(t128, t128);
  expect_product<__half, 64, true, false, true>(rows128(), t128);
}

TEST_F(CudaHopper, TransposedOperandsMayBeginAtAnyRowOfK) {
  for (const uint32_t shift : {1u, 5u, 8u, 11u}) {
    const Layout t128{Swizzle::bytes128, 8192, 1024, 128 * shift},
        t64{Swizzle::bytes64, 4096, 512, 64 * shift};
    expect_product<__half, 64, false, true, true>(t128, t64);
    expect_product<__half, 144, false, true, true>(t64, t128);
    expect_product<__half, 48, true, false, true>(rows128(), t128);  // a part of a row; of a second block
    expect_product<__nv_bfloat16, 80, true, false, true>(rows128(), t128);
  }
}

// ---- Copies ----

constexpr int kBoxBytes = 8192;

__global__ void copy_box(uint4* out, const __grid_constant__ gpu::TensorMap map, int bytes, int c, int x,
                         int y, int n) {
  gpu::Smem shared;
  uint4* const box = shared.get<uint4>(kBoxBytes / 16, 1024);
  GPU_SHARED(gpu::Barrier, barrier, 1);
  const int t = static_cast<int>(threadIdx.x);
  for (int i = t; i < kBoxBytes / 16; i += kThreads) box[i] = uint4{7, 7, 7, 7};
  if (t == 0) {
    gpu::barrier_init(barrier, 1);
    gpu::barrier_init_done();
  }
  gpu::fence_async();
  __syncthreads();
  if (t == 0) {
    gpu::barrier_expect(barrier, static_cast<uint32_t>(bytes));
    gpu::tensor_copy(box + 256 / 16, &map, barrier, c, x, y, n);
  }
  gpu::barrier_wait(barrier, 0);
  for (int i = t; i < kBoxBytes / 16; i += kThreads) out[i] = box[i];
}

// Boxes of a 2 x 4 x 6 image with 20 of 24 channels, elements of `Word`'s size that number themselves.
template <class Word>
void expect_boxes(Swizzle swizzle, int row) {
  constexpr int n = 2, h = 4, w = 6, c = 20, pitch = 24, box_w = 5, box_h = 3;
  std::vector<Word> image(n * h * w * pitch);
  for (size_t i = 0; i < image.size(); ++i) image[i] = static_cast<Word>(i + 1);
  const DeviceArray<Word> device(image);
  const gpu::TensorMap map =
      gpu::image_map(device.data(), sizeof(Word), n, h, w, c, pitch, box_w, box_h, swizzle);
  for (const int first : {0, 8}) {
    for (const int shift : {-1, 0, 2}) {
      const DeviceArray<uint4> out(kBoxBytes / 16);
      gpu::launch(copy_box, dim3(1), dim3(kThreads), kBoxBytes, nullptr, out.data(), map, row * box_w * box_h,
                  first, shift, shift, 1);
      std::vector<Word> expected(kBoxBytes / sizeof(Word));
      const std::vector<uint32_t> sevens(kBoxBytes / 4, 7);
      std::memcpy(expected.data(), sevens.data(), kBoxBytes);
      for (int i = 0; i < row * box_w * box_h / static_cast<int>(sizeof(Word)); ++i) {
        const int per_row = row / static_cast<int>(sizeof(Word)), pixel = i / per_row;
        const int x = shift + pixel % box_w, y = shift + pixel / box_w, channel = first + i % per_row;
        const bool inside = x >= 0 && x < w && y >= 0 && y < h && channel < c;
        const int at = 256 + i * static_cast<int>(sizeof(Word));
        const int moved = row == 16 ? at : at ^ (at / 128 % (row / 16)) * 16;
        expected[static_cast<size_t>(moved) / sizeof(Word)] =
            inside ? image[static_cast<size_t>(((h + y) * w + x) * pitch + channel)] : Word{0};
      }
      std::vector<Word> got(expected.size());
      std::memcpy(static_cast<void*>(got.data()), out.to_vector().data(), kBoxBytes);
      EXPECT_EQ(got, expected) << "swizzle " << static_cast<int>(swizzle) << " from " << first << ' '
                               << shift;
    }
  }
}

TEST_F(CudaHopper, BoxesAreSwizzledAndZeroOutsideOfTheImage) {
  in_every_schedule([] {
    expect_boxes<uint16_t>(Swizzle::bytes128, 128);
    expect_boxes<uint16_t>(Swizzle::bytes64, 64);
    expect_boxes<uint16_t>(Swizzle::bytes32, 32);
    expect_boxes<uint16_t>(Swizzle::none, 16);
    expect_boxes<uint32_t>(Swizzle::bytes128, 128);
    expect_boxes<uint32_t>(Swizzle::bytes32, 32);
  });
}

// Each warpgroup adds up chunks that come through a ring of two slots, and hands its sums around.
constexpr int kChunk = 128, kChunks = 7, kGroups = 2;
__global__ void add_chunks(const int* from, int* out) {
  gpu::Smem shared;
  int* const slots = shared.get<int>(2 * kChunk);
  int* const sums = shared.get<int>(kGroups * 128);
  gpu::Barrier* const full = shared.get<gpu::Barrier>(2);
  gpu::Barrier* const empty = shared.get<gpu::Barrier>(2);
  const int t = static_cast<int>(threadIdx.x), group = t / 128;
  if (t == 0) {
    for (int i = 0; i < 2; ++i) gpu::barrier_init(full + i, 1), gpu::barrier_init(empty + i, kGroups * 4);
    gpu::barrier_init_done();
  }
  __syncthreads();
  int sum = 0;
  for (int i = 0; i < kChunks; ++i) {
    const int slot = i % 2;
    const uint32_t parity = static_cast<uint32_t>(i / 2 % 2);
    if (t == 0) {
      if (i >= 2) gpu::barrier_wait(empty + slot, parity ^ 1);
      gpu::barrier_expect(full + slot, kChunk * 4);
      gpu::bulk_copy(slots + slot * kChunk, from + i * kChunk, kChunk * 2, full + slot);
      gpu::bulk_copy(slots + slot * kChunk + kChunk / 2, from + i * kChunk + kChunk / 2, kChunk * 2,
                     full + slot);
    }
    gpu::barrier_wait(full + slot, parity);
    sum = 3 * sum + slots[slot * kChunk + t % 128];
    __syncwarp();
    if (t % 32 == 0) gpu::barrier_arrive(empty + slot);
  }
  sums[t] = sum;
  gpu::warpgroup_barrier(1 + group);
  out[t] = sums[group * 128 + (t + 77) % 128];
}

TEST_F(CudaHopper, CopiesAndWarpgroupsWaitForEachOther) {
  std::vector<int> values(kChunk * kChunks);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<int>(i * i % 1000);
  const DeviceArray<int> from(values);
  in_every_schedule([&] {
    const DeviceArray<int> out(kGroups * 128);
    gpu::launch(add_chunks, dim3(1), dim3(kGroups * 128), 8192, nullptr, from.data(), out.data());
    const std::vector<int> sums = out.to_vector();
    for (int t = 0; t < kGroups * 128; ++t) {
      int expected = 0;
      for (int i = 0; i < kChunks; ++i)
        expected = 3 * expected + values[static_cast<size_t>(i * kChunk + (t % 128 + 77) % 128)];
      EXPECT_EQ(sums[static_cast<size_t>(t)], expected);
    }
  });
}

// ---- Kernels that start early ----

// to[i] = from[n - 1 - i] + 1, by blocks that take their time.
__global__ void reverse_and_add(const int* from, int* to, int n, int delay) {
  gpu::let_later_kernels_start();
  gpu::wait_for_earlier_kernels();
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  int value = from[n - 1 - i];
  for (int k = 0; k < delay; ++k) value = value * 5 % 1009;
  to[i] = value + 1;
}

TEST_F(CudaHopper, KernelsThatStartEarlySeeWhatEarlierOnesWrote) {
  constexpr int n = 128 * 40, kernels = 10, delay = 50;
  std::vector<int> values(n);
  for (int i = 0; i < n; ++i) values[static_cast<size_t>(i)] = i % 1000;
  const DeviceArray<int> a(values), b(values);
  for (int i = 0; i < kernels; ++i) {
    const bool odd = i % 2 == 1;
    gpu::launch_early(reverse_and_add, dim3(n / 128), dim3(128), 0, nullptr, (odd ? b : a).data(),
                      (odd ? a : b).data(), n, delay);
    std::vector<int> next(values.rbegin(), values.rend());
    for (int& value : next) {
      for (int k = 0; k < delay; ++k) value = value * 5 % 1009;
      ++value;
    }
    values = std::move(next);
  }
  EXPECT_EQ(a.to_vector(), values);
}

}  // namespace
}  // namespace sr
