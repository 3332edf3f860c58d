#include "tensor/tensor.h"

#include <gtest/gtest.h>
#include <omp.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <sstream>

#include "tensor/allocator.h"
#include "tensor/error.h"
#include "tensor/ops/pointwise.h"
#include "tensor/ops/reduce.h"
#include "tensor/random.h"
#include "tests/support/expect_error.h"

namespace sr {
namespace {

using enum Error::Kind;

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// 0, 1, 2, ... in NHWC order.
Tensor counting(Shape shape) {
  std::vector<float> values(static_cast<size_t>(shape.size()));
  std::iota(values.begin(), values.end(), 0.0f);
  return Tensor::from(shape, values);
}

TEST(Tensor, FromAndToVectorKeepTheOrderOfTheValues) {
  const Tensor t = Tensor::from({1, 1, 2, 3}, std::vector<float>{5, 4, 3, 2, 1, 0});
  EXPECT_EQ(t.shape(), (Shape{1, 1, 2, 3}));
  EXPECT_EQ(t.to_vector(), (std::vector<float>{5, 4, 3, 2, 1, 0}));
  EXPECT_EQ(Tensor::zeros({2, 1, 1, 2}).to_vector(), std::vector<float>(4, 0.0f));
}

TEST(Tensor, CopiesShareMemoryAndClonesDoNot) {
  Tensor t = counting({1, 1, 1, 3});
  Tensor copy = t;
  const Tensor clone = t.clone();
  copy.data()[1] = 7;
  EXPECT_EQ(t.to_vector(), (std::vector<float>{0, 7, 2}));
  EXPECT_EQ(clone.to_vector(), (std::vector<float>{0, 1, 2}));
}

TEST(Tensor, AChannelRangeIsAViewIntoTheSameMemory) {
  const Tensor t = counting({1, 2, 2, 5});
  Tensor view = t.channels(1, 4);
  EXPECT_EQ(view.shape(), (Shape{1, 2, 2, 3}));
  EXPECT_EQ(view.pitch(), 5);
  EXPECT_FALSE(view.is_contiguous());
  EXPECT_EQ(view.to_vector(), (std::vector<float>{1, 2, 3, 6, 7, 8, 11, 12, 13, 16, 17, 18}));
  EXPECT_EQ(view.channels(2, 3).to_vector(), (std::vector<float>{3, 8, 13, 18})) << "a view of a view";
  EXPECT_TRUE(t.channels(0, 5).is_contiguous());
  EXPECT_EQ(t.channels(2, 2).shape().size(), 0);
  view.data()[0] = -1;
  EXPECT_EQ(t.data()[1], -1.0f);
  const Tensor packed = view.clone();
  EXPECT_TRUE(packed.is_contiguous());
  EXPECT_EQ(packed.to_vector(), view.to_vector());
}

TEST(Tensor, APartIsAViewOfAnotherShape) {
  Tensor t = Tensor::from({1, 2, 2, 2}, std::vector<float>{0, 1, 2, 3, 4, 5, 6, 7});
  Tensor part = t.part(2, {1, 1, 2, 2});
  EXPECT_EQ(part.to_vector(), (std::vector<float>{2, 3, 4, 5}));
  part.data()[1] = 30;
  EXPECT_EQ(t.data()[3], 30);
  EXPECT_EQ(part.part(2, {1, 1, 1, 2}).to_vector(), (std::vector<float>{4, 5})) << "a view of a view";
  EXPECT_EQ(part.channels(1, 2).to_vector(), (std::vector<float>{30, 5}));
  expect_error(Error::Kind::shape, "from element 5", [&] { t.part(5, {1, 1, 2, 2}); });
  expect_error(Error::Kind::shape, "from element -1", [&] { t.part(-1, {1, 1, 2, 2}); });
  expect_error(Error::Kind::shape, "2 elements apart", [&] { t.channels(0, 1).part(0, {1, 1, 1, 1}); });
}

TEST(Tensor, AViewKeepsTheMemoryAlive) {
  Tensor view;
  {
    const Tensor t = counting({1, 1, 2, 2});
    view = t.channels(1, 2);
  }
  EXPECT_EQ(view.to_vector(), (std::vector<float>{1, 3}));
}

TEST(Tensor, AnEmptyHandleTestsFalseAndATensorWithoutElementsTrue) {
  EXPECT_FALSE(Tensor());
  EXPECT_FALSE(Tensor().clone());
  EXPECT_TRUE(Tensor({0, 3, 3, 1}));
  EXPECT_TRUE(Tensor({0, 3, 3, 1}).to_vector().empty());
}

TEST(Tensor, ImpossibleShapesAndTypesAreErrors) {
  constexpr int64_t kHuge = int64_t{1} << 40;
  expect_error(shape, "[1, -2, 3, 4]", [] { Tensor({1, -2, 3, 4}); });
  expect_error(limit, "[1, 1099511627776, 1099511627776, 1]", [] { Tensor({1, kHuge, kHuge, 1}); });
  expect_error(limit, "", [] { Tensor({1, kHuge, int64_t{1} << 20, 1}); });
  expect_error(shape, "3 values", [] { Tensor::from({1, 1, 1, 4}, std::vector<float>(3)); });
  expect_error(shape, "2 to 5", [] { Tensor::zeros({1, 1, 1, 4}).channels(2, 5); });
  expect_error(shape, "3 to 2", [] { Tensor::zeros({1, 1, 1, 4}).channels(3, 2); });
  expect_error(shape, "-1 to 2", [] { Tensor::zeros({1, 1, 1, 4}).channels(-1, 2); });
  expect_error(device, "cuda", [] { Tensor({1, 1, 1, 1}, DType::f32, Device::cuda); });
  expect_error(usage, "bf16", [] { Tensor({1, 1, 1, 1}, DType::bf16).data(); });
  expect_error(usage, "f32", [] { Tensor::zeros({1, 1, 1, 1}).bits(); });
}

TEST(Tensor, ShapesAndTypesArePrintedAsPeopleWriteThem) {
  std::ostringstream text;
  text << Shape{1, 29, 30, 64} << ' ' << DType::bf16 << ' ' << DType::f16 << ' ' << Device::cpu;
  EXPECT_EQ(text.str(), "[1, 29, 30, 64] bf16 f16 cpu");
}

std::vector<uint16_t> bits_of(std::vector<float> values, DType dtype) {
  const auto size = static_cast<int64_t>(values.size());
  const Tensor t = convert(Tensor::from({1, 1, 1, size}, values), dtype);
  return {t.bits(), t.bits() + size};
}

TEST(Convert, Bfloat16RoundsToNearestAndTiesToEven) {
  EXPECT_EQ(bits_of({0.0f, -0.0f, 1.0f, -2.5f, kInf, -kInf}, DType::bf16),
            (std::vector<uint16_t>{0, 0x8000, 0x3f80, 0xc020, 0x7f80, 0xff80}));
  // One unit in the last place of bf16 near 1 is 2^-7.
  EXPECT_EQ(bits_of({1 + 0x1p-8f, 1 + 0x3p-8f, 1 + 0x1.01p-8f, 1 + 0x0.ffp-8f}, DType::bf16),
            (std::vector<uint16_t>{0x3f80, 0x3f82, 0x3f81, 0x3f80}));
  EXPECT_EQ(bits_of({std::numeric_limits<float>::max()}, DType::bf16), std::vector<uint16_t>{0x7f80});
  EXPECT_EQ(bits_of({0x1p-149f, 0x1p-133f, 0x1.8p-133f}, DType::bf16), (std::vector<uint16_t>{0, 1, 2}));
}

TEST(Convert, Float16RoundsToNearestAndTiesToEven) {
  EXPECT_EQ(bits_of({0.0f, -0.0f, 1.0f, -2.5f, kInf, -kInf}, DType::f16),
            (std::vector<uint16_t>{0, 0x8000, 0x3c00, 0xc100, 0x7c00, 0xfc00}));
  EXPECT_EQ(bits_of({1 + 0x1p-11f, 1 + 0x3p-11f, 1 + 0x1.01p-11f}, DType::f16),
            (std::vector<uint16_t>{0x3c00, 0x3c02, 0x3c01}));
  EXPECT_EQ(bits_of({65504, 65519, 65520, 1e6f}, DType::f16),
            (std::vector<uint16_t>{0x7bff, 0x7bff, 0x7c00, 0x7c00}));
  EXPECT_EQ(bits_of({0x1p-14f, 0x1p-24f, 0x1p-25f, 0x1.8p-24f, 0x1.8p-25f}, DType::f16),
            (std::vector<uint16_t>{0x0400, 1, 0, 2, 1}))
      << "subnormal results";
}

TEST(Convert, NanStaysNan) {
  const float payload_in_low_bits = std::bit_cast<float>(0x7f800001u);
  const Tensor t = Tensor::from({1, 1, 1, 3}, std::vector<float>{kNan, -kNan, payload_in_low_bits});
  for (const DType dtype : {DType::bf16, DType::f16})
    for (const float v : convert(convert(t, dtype), DType::f32).to_vector()) EXPECT_TRUE(std::isnan(v));
}

TEST(Convert, EverySixteenBitValueComesBack) {
  for (const DType dtype : {DType::bf16, DType::f16}) {
    Tensor all({1, 1, 1, 65536}, dtype);
    for (int i = 0; i < 65536; ++i) all.bits()[i] = static_cast<uint16_t>(i);
    const Tensor wide = convert(all, DType::f32), back = convert(wide, dtype);
    for (int i = 0; i < 65536; ++i)
      ASSERT_TRUE(std::isnan(wide.data()[i]) || back.bits()[i] == i) << i << ' ' << dtype;
  }
}

TEST(Convert, ViewsAndTheOtherSixteenBitTypeAreTaken) {
  const Tensor t = counting({1, 1, 2, 3});
  const Tensor half = convert(t.channels(1, 3), DType::f16);
  EXPECT_TRUE(half.is_contiguous());
  EXPECT_EQ(convert(convert(half, DType::bf16), DType::f32).to_vector(), (std::vector<float>{1, 2, 4, 5}));
}

class Pool : public testing::Test {
 protected:
  Pool() { reset_pool_peak(); }
  int64_t held() const { return pool_statistics().bytes_in_use + pool_statistics().bytes_cached; }
};

TEST_F(Pool, FreedMemoryServesTheNextTensorOfItsSize) {
  const float* first = nullptr;
  {
    const Tensor t({1, 64, 64, 16});
    first = t.data();
  }
  const Tensor again({1, 64, 64, 16});
  EXPECT_EQ(again.data(), first);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(first) % 64, 0u);
}

TEST_F(Pool, NeverHoldsMoreThanWasInUseAtOneTime) {
  const int64_t before = pool_statistics().bytes_in_use;
  Random random{3};
  std::vector<Tensor> alive;
  int64_t largest = before;
  for (int step = 0; step < 2000; ++step) {
    if (alive.size() < 8 && random.integer(2) == 0)
      alive.emplace_back(Shape{1, 1 + random.integer(40), 1 + random.integer(40), 1 + random.integer(80)});
    else if (!alive.empty())
      alive.erase(alive.begin() + random.integer(static_cast<int64_t>(alive.size())));
    largest = std::max(largest, pool_statistics().bytes_in_use);
    ASSERT_LE(held(), largest);
    ASSERT_EQ(pool_statistics().peak_bytes_in_use, largest);
  }
  alive.clear();
  EXPECT_EQ(pool_statistics().bytes_in_use, before);
  reset_pool_peak();
  EXPECT_EQ(pool_statistics().bytes_cached, 0);
  EXPECT_EQ(held(), before);
}

TEST_F(Pool, AKernelsMemoryStaysForTheNextCall) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the sanitizer wants blocks of their exact size";
#endif
  void* small = take_scratch(1000);
  void* large = take_scratch(100'000);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(small) % 64, 0);
  give_back_scratch(small);
  give_back_scratch(large);
  EXPECT_EQ(take_scratch(2000), large) << "the smallest that is large enough";
  EXPECT_EQ(take_scratch(900), small);
  give_back_scratch(small);
  give_back_scratch(large);
}

TEST_F(Pool, ARefusedRequestChangesNothing) {
  const PoolStatistics before = pool_statistics();
  expect_error(limit, "bytes", [] { allocate_cpu(int64_t{1} << 61); });
  expect_error(limit, "bytes", [] { allocate_cpu((int64_t{1} << 62) + 1); });
  expect_error(limit, "-1 bytes", [] { allocate_cpu(-1); });
  EXPECT_EQ(pool_statistics().bytes_in_use, before.bytes_in_use);
  EXPECT_EQ(pool_statistics().peak_bytes_in_use, before.peak_bytes_in_use);
}

TEST(Random, GivesThePublishedSequenceOfSplitMix64) {
  Random random{1234567};
  for (const uint64_t expected : {6457827717110365317u, 3203168211198807973u, 9817491932198370423u,
                                  4593380528125082431u, 16408922859458223821u})
    EXPECT_EQ(random.next(), expected);
}

TEST(Random, ASavedStateContinuesTheSequence) {
  Random random{9};
  random.normal();
  Random restored{random.state};
  EXPECT_EQ(random.normal(), restored.normal());
}

TEST(Random, UniformAndNormalHaveTheirMoments) {
  constexpr int kCount = 200000;
  Random random{5};
  double sum = 0, squares = 0, fourths = 0, mean = 0;
  for (int i = 0; i < kCount; ++i) {
    const double u = random.uniform(), z = random.normal();
    ASSERT_TRUE(u >= 0 && u < 1);
    mean += u, sum += z, squares += z * z, fourths += z * z * z * z;
  }
  // Four standard deviations of each estimate.
  EXPECT_NEAR(mean / kCount, 0.5, 4 * std::sqrt(1.0 / 12 / kCount));
  EXPECT_NEAR(sum / kCount, 0, 4 * std::sqrt(1.0 / kCount));
  EXPECT_NEAR(squares / kCount, 1, 4 * std::sqrt(2.0 / kCount));
  EXPECT_NEAR(fourths / kCount, 3, 4 * std::sqrt(96.0 / kCount));
}

TEST(Random, IntegersBelowABoundAreEquallyFrequent) {
  constexpr int kCount = 60000;
  Random random{6};
  std::vector<int> counts(6);
  for (int i = 0; i < kCount; ++i) ++counts.at(static_cast<size_t>(random.integer(6)));
  for (const int count : counts) EXPECT_NEAR(count, kCount / 6, 4 * std::sqrt(kCount * 5.0 / 36));
  EXPECT_EQ(random.integer(1), 0);
  EXPECT_LT(random.integer(std::numeric_limits<int64_t>::max()), std::numeric_limits<int64_t>::max());
  expect_error(usage, "0", [&] { random.integer(0); });
}

TEST(Random, NormalTensorsHaveTheirDeviation) {
  Random random{7};
  const Tensor t = random_normal({1, 100, 100, 4}, 0.3, random);
  double squares = 0;
  for (const float v : t.to_vector()) squares += double{v} * double{v};
  EXPECT_NEAR(squares / 40000, 0.09, 4 * 0.09 * std::sqrt(2.0 / 40000));
}

// What the next tests compute with: two views whose neighbours must not be read.
struct Views {
  Random random{8};
  Tensor wide = random_normal({2, 3, 5, 9}, 1, random), a = wide.channels(1, 5), b = wide.channels(4, 8);
};

TEST(Pointwise, AddIsElementByElement) {
  const Views v;
  const std::vector<float> a = v.a.to_vector(), b = v.b.to_vector(), y = add(v.a, v.b).to_vector();
  ASSERT_EQ(y.size(), a.size());
  for (size_t i = 0; i < y.size(); ++i) EXPECT_EQ(y[i], a[i] + b[i]);
  expect_error(shape, "[2, 3, 5, 4]", [&] { add(v.a, v.wide); });
}

TEST(Pointwise, LeakyReluGradientFollowsTheSignOfTheResult) {
  const Tensor y = Tensor::from({1, 1, 1, 4}, std::vector<float>{2, -2, 0, 0.001f});
  const Tensor dy = Tensor::from({1, 1, 1, 4}, std::vector<float>{3, 3, 3, -3});
  EXPECT_EQ(leaky_relu_grads(dy, y, 0.25f).dz.to_vector(), (std::vector<float>{3, 0.75f, 0.75f, -3}));
  const Views v;
  EXPECT_EQ(leaky_relu_grads(v.a, v.b, 0.05f).dz.to_vector(),
            leaky_relu_grads(v.a.clone(), v.b.clone(), 0.05f).dz.to_vector());
  expect_error(shape, "leaky_relu_grads", [&] { leaky_relu_grads(v.a, v.wide, 1); });
}

TEST(Pointwise, LeakyReluGradientForTheBiasIsTheSumOverThePixels) {
  Random random{9};
  for (const int64_t c : {1, 4, 21, 64}) {
    const Tensor dy = random_normal({2, 17, 23, c}, 1, random), y = random_normal(dy.shape(), 1, random);
    const auto [dz, dbias] = leaky_relu_grads(dy, y, 0.05f);
    EXPECT_EQ(dbias.shape(), (Shape{1, 1, 1, c}));
    std::vector<double> expected(size_t(c), 0.0);
    const std::vector<float> values = dz.to_vector();
    for (size_t i = 0; i < values.size(); ++i) expected[i % size_t(c)] += double{values[i]};
    for (size_t k = 0; k < size_t(c); ++k) EXPECT_NEAR(dbias.data()[k], expected[k], 1e-5) << c;
    EXPECT_EQ(dbias.to_vector(), sum_per_channel(dz).to_vector()) << c;
  }
}

TEST(Pointwise, AddConcatAddsTheTensorsSideBySide) {
  const Views v;
  Random random{10};
  const Tensor x = random_normal({2, 3, 5, 17}, 1, random), y = add_concat(x, {v.a, v.wide, v.b});
  EXPECT_EQ(y.channels(0, 4).to_vector(), add(x.channels(0, 4), v.a).to_vector());
  EXPECT_EQ(y.channels(4, 13).to_vector(), add(x.channels(4, 13), v.wide).to_vector());
  EXPECT_EQ(y.channels(13, 17).to_vector(), add(x.channels(13, 17), v.b).to_vector());
  expect_error(shape, "8 channels together, want 17", [&] { add_concat(x, {v.a, v.b}); });
  expect_error(shape, "[1, 3, 5, 4]", [&] { add_concat(v.a, {Tensor::zeros({1, 3, 5, 4})}); });
}

TEST(Pointwise, ChannelsGradIsInverseToChannels) {
  const Views v;
  const Tensor spread = channels_grad(v.a, 2, 7);
  EXPECT_EQ(spread.channels(2, 6).to_vector(), v.a.to_vector());
  for (const auto& [begin, end] : {std::pair{0, 2}, {6, 7}})
    for (const float value : spread.channels(begin, end).to_vector()) EXPECT_EQ(value, 0.0f);
  expect_error(shape, "4 channels from 4", [&] { channels_grad(v.a, 4, 7); });
}

TEST(Reduce, SumsAreThoseOfPlainLoopsInDoublePrecision) {
  const Views v;
  const Tensor sums = sum_per_channel(v.a);
  EXPECT_EQ(sums.shape(), (Shape{1, 1, 1, 4}));
  const std::vector<float> values = v.a.to_vector();
  double total = 0;
  for (size_t k = 0; k < 4; ++k) {
    double expected = 0;
    for (size_t i = k; i < values.size(); i += 4) expected += double{values[i]};
    EXPECT_EQ(sums.data()[k], static_cast<float>(expected));
    total += expected;
  }
  EXPECT_EQ(sum(v.a), total);
}

TEST(Reduce, AnyNumberOfThreadsGivesTheSameBits) {
  const int threads = omp_get_max_threads();
  Random random{11};
  const Tensor x = random_normal({3, 40, 41, 19}, 1, random);
  omp_set_num_threads(1);
  const std::vector<float> sums = sum_per_channel(x).to_vector();
  for (const int n : {2, 3, 7}) {
    omp_set_num_threads(n);
    EXPECT_EQ(sum_per_channel(x).to_vector(), sums) << n;
  }
  omp_set_num_threads(threads);
}

TEST(Reduce, ManySmallTermsAreNotLostBesideALargeOne) {
  Tensor t = Tensor::zeros({1, 1000, 1000, 1});
  std::fill_n(t.data(), 1000000, 1e-3f);
  t.data()[0] = 1e6f;
  EXPECT_NEAR(sum(t), 1e6 + 999999 * double{1e-3f}, 1e-6);
}

}  // namespace
}  // namespace sr
