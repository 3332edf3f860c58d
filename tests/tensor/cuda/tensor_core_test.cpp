// tensor_core.h's instructions against loops, emulated and on a GPU
// (tensor_core_device.cu). The layouts are written here once more, as the PTX ISA gives them
// (matrix fragments for mma.m16n8k16 and mma.m16n8k8).
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "tensor/cuda/tensor_core.h"
#include "tensor/random.h"
#include "tests/support/cuda_schedules.h"
#include "tests/support/device_array.h"

namespace sr {
namespace {

constexpr int kMI = 2, kNI = 3, kNT = 5,
              kFirst = 1;  // tiles of A, of B, of D in a row, the first that is changed

enum class Type { bf16, f16, tf32 };

template <Type type>
__global__ void multiply(const uint32_t* a, const uint32_t* b, float* d) {
  const int l = static_cast<int>(threadIdx.x);
  uint32_t ra[kMI][4], rb[kNI][2];
  float rd[kMI][kNT][4];
  for (int i = 0; i < kMI; ++i) {
    for (int r = 0; r < 4; ++r) ra[i][r] = a[(i * 32 + l) * 4 + r];
  }
  for (int n = 0; n < kNI; ++n) {
    for (int r = 0; r < 2; ++r) rb[n][r] = b[(n * 32 + l) * 2 + r];
  }
  for (int i = 0; i < kMI * kNT * 4; ++i)
    rd[i / 4 / kNT][i / 4 % kNT][i % 4] = d[(i / 4 * 32 + l) * 4 + i % 4];
  if constexpr (type == Type::bf16) gpu::mma_bf16<kMI, kNI, kNT>(rd, kFirst, ra, rb);
  if constexpr (type == Type::f16) gpu::mma_f16<kMI, kNI, kNT>(rd, kFirst, ra, rb);
  if constexpr (type == Type::tf32) gpu::mma_tf32<kMI, kNI, kNT>(rd, kFirst, ra, rb);
  for (int i = 0; i < kMI * kNT * 4; ++i)
    d[(i / 4 * 32 + l) * 4 + i % 4] = rd[i / 4 / kNT][i / 4 % kNT][i % 4];
}

// A matrix in whose storage the lanes' registers lie.
struct Fragments {
  std::vector<uint32_t> bits;
  std::vector<double> values;  // row by row
};

uint32_t bits_of(Type type, float x) {
  if (type == Type::bf16) return std::bit_cast<uint16_t>(__float2bfloat16(x));
  if (type == Type::f16) return std::bit_cast<uint16_t>(__float2half(x));
  return std::bit_cast<uint32_t>(x) | 0x1abc;  // the 13 lowest bits count for nothing
}
double value_of(Type type, uint32_t bits) {
  if (type == Type::bf16) return __bfloat162float(std::bit_cast<__nv_bfloat16>(static_cast<uint16_t>(bits)));
  if (type == Type::f16) return __half2float(std::bit_cast<__half>(static_cast<uint16_t>(bits)));
  return std::bit_cast<float>(bits & ~0x1fffu);
}

// Element e of lane l: 16-bit A has eight of them, two in each register, TF32's A four; B half as many.
struct Element {
  int row, column;
};
Element of_a(Type type, int l, int e) {
  const int group = l >> 2, in_group = l & 3;
  if (type == Type::tf32) return {e == 0 || e == 2 ? group : group + 8, e < 2 ? in_group : in_group + 4};
  const bool first_rows = e < 2 || (e >= 4 && e < 6);
  return {first_rows ? group : group + 8, in_group * 2 + (e & 1) + (e >= 4 ? 8 : 0)};
}
Element of_b(Type type, int l, int e) {
  const int group = l >> 2, in_group = l & 3;
  if (type == Type::tf32) return {e == 0 ? in_group : in_group + 4, group};
  return {in_group * 2 + (e & 1) + (e >= 2 ? 8 : 0), group};
}
Element of_d(int l, int e) {
  return {(l >> 2) + (e < 2 ? 0 : 8), (l & 3) * 2 + (e & 1)};
}

template <class Where>
Fragments random_fragments(Type type, int tiles, int registers, int rows, int columns, Where where,
                           Random& random) {
  Fragments f;
  f.bits.assign(static_cast<size_t>(tiles * 32 * registers), 0);
  f.values.assign(static_cast<size_t>(tiles * rows * columns), 0);
  const int per_register = type == Type::tf32 ? 1 : 2;
  for (int i = 0; i < tiles * 32 * registers * per_register; ++i) {
    const int e = i % (registers * per_register), l = i / (registers * per_register) % 32,
              tile = i / (registers * per_register) / 32;
    const uint32_t bits = bits_of(type, static_cast<float>(random.normal()));
    f.bits[static_cast<size_t>(i / per_register)] |= bits << (16 * (i % per_register));
    const Element at = where(type, l, e);
    f.values[static_cast<size_t>((tile * rows + at.row) * columns + at.column)] = value_of(type, bits);
  }
  return f;
}

template <Type type>
void expect_product() {
  constexpr int depth = type == Type::tf32 ? 8 : 16;
  Random random(3);
  const Fragments a = random_fragments(type, kMI, 4, 16, depth, of_a, random);
  const Fragments b = random_fragments(type, kNI, 2, depth, 8, of_b, random);
  std::vector<float> before(kMI * kNT * 32 * 4);
  for (float& x : before) x = static_cast<float>(random.normal());
  const DeviceArray<uint32_t> da(a.bits), db(b.bits);
  DeviceArray<float> dd(before);
  gpu::launch(multiply<type>, dim3(1), dim3(32), 0, nullptr, da.data(), db.data(), dd.data());
  const std::vector<float> after = dd.to_vector();
  for (int i = 0; i < static_cast<int>(after.size()); ++i) {
    const int l = i / 4 % 32, n = i / 128 % kNT - kFirst, m = i / 128 / kNT;
    const Element at = of_d(l, i % 4);
    double expected = before[static_cast<size_t>(i)];
    for (int k = 0; k < depth && n >= 0 && n < kNI; ++k) {
      expected += a.values[static_cast<size_t>((m * 16 + at.row) * depth + k)] *
                  b.values[static_cast<size_t>((n * depth + k) * 8 + at.column)];
    }
    EXPECT_NEAR(after[static_cast<size_t>(i)], expected, 2e-6 * (1 + std::fabs(expected)) * depth) << i;
  }
}

TEST(CudaTensorCore, ProductsAreThoseOfLoops) {
  in_every_schedule([] {
    expect_product<Type::bf16>();
    expect_product<Type::f16>();
    expect_product<Type::tf32>();
  });
}

__global__ void multiply_one(uint32_t a, uint32_t b, float* d) {
  uint32_t ra[1][4] = {{a, a, a, a}}, rb[1][2] = {{b, b}};
  float rd[1][1][4] = {};
  gpu::mma_f16<1, 1, 1>(rd, 0, ra, rb);
  d[threadIdx.x] = rd[0][0][0];
}

TEST(CudaTensorCore, HalfPrecisionKeepsSubnormalNumbersAndInfinity) {
  DeviceArray<float> d(32);
  gpu::launch(multiply_one, dim3(1), dim3(32), 0, nullptr, 0x0001u, 0x3c00u,
              d.data());  // 2^-24 times 1, eight times
  EXPECT_EQ(d.to_vector()[7], 8 * std::ldexp(1.0f, -24));
  gpu::launch(multiply_one, dim3(1), dim3(32), 0, nullptr, 0x7c00u, 0xbc00u, d.data());
  EXPECT_EQ(d.to_vector()[7], -std::numeric_limits<float>::infinity());
}

constexpr int kPitch = 72;  // 144 bytes: neighbouring rows in other banks

__global__ void load(uint32_t* out) {
  gpu::Smem memory;
  uint16_t* const s = memory.get<uint16_t>(32 * kPitch);
  const int l = static_cast<int>(threadIdx.x);
  for (int c = 0; c < 8; ++c) s[l * kPitch + c] = static_cast<uint16_t>(100 * l + c);
  __syncwarp();
  uint32_t r[4], t[4];
  gpu::ldmatrix_x4(r, s + l * kPitch);
  gpu::ldmatrix_x4_trans(t, s + l * kPitch);
  for (int j = 0; j < 4; ++j) {
    out[l * 8 + j] = r[j];
    out[l * 8 + 4 + j] = t[j];
  }
}

TEST(CudaTensorCore, MatricesAreLoadedAsTheInstructionSetLaysThemOut) {
  DeviceArray<uint32_t> out(256);
  gpu::launch(load, dim3(1), dim3(32), 32 * kPitch * 2, nullptr, out.data());
  const std::vector<uint32_t> values = out.to_vector();
  for (unsigned l = 0; l < 32; ++l) {
    for (unsigned j = 0; j < 4; ++j) {
      // Thread l gets row l / 4 and columns 2 (l % 4) and the next; transposed, column l / 4 and those rows.
      const unsigned row = 8 * j + l / 4, column = l % 4 * 2;
      EXPECT_EQ(values[l * 8 + j], (100 * row + column) | (100 * row + column + 1) << 16);
      const unsigned first = 8 * j + l % 4 * 2;
      EXPECT_EQ(values[l * 8 + 4 + j], (100 * first + l / 4) | (100 * (first + 1) + l / 4) << 16);
    }
  }
}

__global__ void round_to_tf32(const float* x, uint32_t* y) {
  y[threadIdx.x] = gpu::to_tf32(x[threadIdx.x]);
}

TEST(CudaTensorCore, RoundingToTf32TakesTheNearestTiesAwayFromZero) {
  const float step = std::ldexp(1.0f, -10), infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> x = {1 + 0.4999f * step,  1 + 0.5f * step, -1 - 0.5f * step,
                                -1 - 1.4999f * step, -infinity,       std::numeric_limits<float>::max(),
                                std::nanf("")};
  const std::vector<float> expected = {1, 1 + step, -1 - step, -1 - step, -infinity, infinity};
  const DeviceArray<float> dx(x);
  const DeviceArray<uint32_t> dy(x.size());
  gpu::launch(round_to_tf32, dim3(1), dim3(static_cast<unsigned>(x.size())), 0, nullptr, dx.data(),
              dy.data());
  const std::vector<uint32_t> y = dy.to_vector();
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_EQ(std::bit_cast<float>(y[i]), expected[i]) << x[i];
  EXPECT_TRUE(std::isnan(std::bit_cast<float>(y[expected.size()])));
}

template <class T>
__global__ void store(const float* x, float* y, uint32_t* pair) {
  const int i = static_cast<int>(threadIdx.x);
  y[i] = gpu::to_float(gpu::from_float<T>(x[i]));
  if constexpr (sizeof(T) == 2) {
    if (i > 0) return;
    *pair = gpu::pack2<T>(x[0], x[1]);
    const float2 both = gpu::unpack2<T>(*pair);
    y[2] = both.x, y[3] = both.y;
  }
}

template <class T>
void expect_storage(float next_to_one) {
  const float middle = (1 + next_to_one) / 2, above = std::nextafter(middle, 2.0f);
  const DeviceArray<float> x(std::vector<float>{middle, above}), y(4);
  const DeviceArray<uint32_t> pair(1);
  gpu::launch(store<T>, dim3(1), dim3(2), 0, nullptr, x.data(), y.data(), pair.data());
  EXPECT_EQ(y.to_vector(), (std::vector<float>{1, next_to_one, 1, next_to_one}));  // to even
  const uint32_t bits = pair.to_vector()[0];
  EXPECT_EQ(static_cast<float>(std::bit_cast<T>(static_cast<uint16_t>(bits))), 1.0f);
  EXPECT_EQ(static_cast<float>(std::bit_cast<T>(static_cast<uint16_t>(bits >> 16))), next_to_one);
}

TEST(CudaTensorCore, StorageTypesRoundToNearestEvenAndPackLowHalfFirst) {
  expect_storage<__nv_bfloat16>(1 + 1.0f / 128);
  expect_storage<__half>(1 + 1.0f / 1024);
  const DeviceArray<float> x(std::vector<float>{0.1f, -0.3f}), y(2);
  gpu::launch(store<float>, dim3(1), dim3(2), 0, nullptr, x.data(), y.data(), nullptr);
  EXPECT_EQ(y.to_vector(), x.to_vector());
}

}  // namespace
}  // namespace sr
