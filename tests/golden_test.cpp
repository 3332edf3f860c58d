// The network with the authors' weights against values computed independently in double precision.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <optional>
#include <span>

#include "idn/caffe_import.h"
#include "tensor/simd.h"
#include "tests/reference.h"
#include "tests/shared_data.h"

namespace sr {
namespace {

using reference::Array;

constexpr int64_t kImages = 2, kSize = 20;  // patches, and their sides in coarse pixels

class Golden : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    folder_ = shared_data("golden/idn_x" + std::to_string(factor_));
    const std::string weights =
        shared_data("reference/idn_caffe/IDN_x" + std::to_string(factor_) + ".caffemodel");
    if (folder_.empty() || weights.empty())
      GTEST_SKIP() << "golden values or the authors' weights are missing";
    model_.emplace(import_caffemodel(weights, factor_));
  }
  ~Golden() override { set_simd(best_simd()); }

  std::vector<float> read(const std::string& name, int64_t count) const {
    std::ifstream file(folder_ + '/' + name + ".f32", std::ios::binary);
    std::vector<float> values(static_cast<size_t>(count));
    file.read(reinterpret_cast<char*>(values.data()), count * 4);
    EXPECT_TRUE(file && file.peek() == EOF) << name << " has another size than " << count << " values";
    return values;
  }

  /// A file in NCHW order; the weights' [o, c, kh, kw] is the same permutation.
  static Tensor channels_last(const float* values, const Shape& s) {
    Tensor t(s);
    for (int64_t n = 0; n < s.n; ++n)
      for (int64_t c = 0; c < s.c; ++c)
        for (int64_t p = 0; p < s.h * s.w; ++p)
          t.data()[(n * s.h * s.w + p) * s.c + c] = values[(n * s.c + c) * s.h * s.w + p];
    return t;
  }
  Tensor read(const std::string& name, const Shape& shape) const {
    return channels_last(read(name, shape.size()).data(), shape);
  }

  Shape fine_shape() const { return {kImages, factor_ * kSize, factor_ * kSize, 1}; }
  /// The authors' output has no rows and columns before the first coarse pixel's own.
  Shape golden_shape() const { return {kImages, factor_ * (kSize - 1) + 1, factor_ * (kSize - 1) + 1, 1}; }

  /// Calls visit(index in the golden extent, index in the full grid) for every golden pixel.
  template <class Visit>
  void for_each_golden_pixel(Visit visit) const {
    const Shape g = golden_shape(), f = fine_shape();
    for (int64_t n = 0; n < g.n; ++n)
      for (int64_t i = 0; i < g.h; ++i)
        for (int64_t j = 0; j < g.w; ++j)
          visit(static_cast<size_t>((n * g.h + i) * g.w + j),
                static_cast<size_t>((n * f.h + i + factor_ - 1) * f.w + j + factor_ - 1));
  }

  /// Largest difference of residual + bicubic from the golden result, over the first `images`.
  template <class Number>
  double difference(const std::vector<Number>& residual) const {
    const std::vector<float> sr = read("sr", golden_shape().size());
    const std::vector<float> bicubic = read("bicubic", fine_shape().size());
    double worst = 0;
    for_each_golden_pixel([&](size_t golden, size_t fine) {
      if (fine >= residual.size()) return;
      const double d = std::abs(double{residual[fine]} + double{bicubic[fine]} - double{sr[golden]});
      if (!(d <= worst)) worst = d;
    });
    return worst;
  }

  /// After backward(dy): every parameter's gradient is the golden one within 1e-4 of its largest value.
  void expect_gradients(const std::string& name, const Tensor& dy) const {
    const std::vector<float> all = read(name, model_->params->count());
    const auto& list = model_->params->list();
    int64_t end = model_->params->count();
    bool sign_turned = false;
    for (auto p = list.rbegin(); p != list.rend(); ++p) {
      end -= p->var.shape().size();
      const Array expected(channels_last(&all[static_cast<size_t>(end)], p->var.shape()));
      ASSERT_TRUE(p->var.grad()) << p->name;
      const std::vector<float> gradient = p->var.grad().to_vector();
      double largest = 0, worst = 0;
      for (size_t i = 0; i < gradient.size(); ++i) {
        largest = std::max(largest, std::abs(expected.values[i]));
        const double d = std::abs(double{gradient[i]} - expected.values[i]);
        if (!(d <= worst)) worst = d;
      }
      // One of the 1.4 million activations lies 1.8e-7 from the kink, where float32 takes the other slope.
      // What lies before it differs by one activation's part; what comes after does not.
      sign_turned = sign_turned || (factor_ == 4 && p->name == "blocks.2.conv4.bias");
      double bound = (sign_turned ? 3e-2 : 1e-4) * largest;
      // The sum of dy cancels, so that the files' rounding to float32 shows.
      if (p->name == "upsample.bias") bound += 1e-6 * sum_of_magnitudes(dy);
      EXPECT_LE(worst, bound) << name << " of " << p->name;
    }
  }

  static double sum_of_magnitudes(const Tensor& t) {
    double total = 0;
    for (const float v : t.to_vector()) total += std::abs(double{v});
    return total;
  }

  int factor_ = GetParam();
  std::string folder_;
  std::optional<Model> model_;
};

TEST_P(Golden, FirstFeaturesAgreeOnEveryInstructionSet) {
  Params params;
  const FeatureBlock features(params.scope().sub("features"), model_->options());
  for (size_t i = 0; i < params.list().size(); ++i) {
    ASSERT_EQ(params.list()[i].name, model_->params->list()[i].name);
    params.list()[i].var.set_value(model_->params->list()[i].var.value());
  }
  const Tensor lr = read("lr", {kImages, kSize, kSize, 1});
  const Array expected(read("features0", {kImages, kSize, kSize, 64}));
  EXPECT_LT(
      reference::difference(read("features0", {kImages, kSize, kSize, 64}),
                            reference::features(reference::arrays_of(params), model_->options(), Array(lr))),
      1e-6)
      << "the double-precision loops";
  const NoGrad none;
  for (const Simd simd : {Simd::baseline, Simd::avx2, Simd::avx512}) {
    if (simd > best_simd()) continue;
    set_simd(simd);
    EXPECT_LT(reference::difference(features(Var(lr)).value(), expected), 2e-5) << name_of(simd);
  }
}

TEST_P(Golden, ResultAgreesOnEveryInstructionSet) {
  const Tensor lr = read("lr", {kImages, kSize, kSize, 1});
  const NoGrad none;
  for (const Simd simd : {Simd::baseline, Simd::avx2, Simd::avx512}) {
    if (simd > best_simd()) continue;
    set_simd(simd);
    EXPECT_LT(difference((*model_->network)(Var(lr)).value().to_vector()), 2e-5) << name_of(simd);
  }
}

TEST_P(Golden, ResultAgreesWithDoublePrecisionLoops) {
  const std::vector<float> both = read("lr", kImages * kSize * kSize);
  const Tensor lr =
      Tensor::from({1, kSize, kSize, 1}, std::span(both).first(kSize * kSize));  // loops are slow
  const Array y = reference::network(reference::arrays_of(*model_->params), model_->options(), Array(lr));
  EXPECT_LT(difference(y.values), 1e-6);
}

TEST_P(Golden, GradientsOfTheAbsoluteErrorAgree) {
  // The sign comes from the golden result: a difference in the last bit must not turn it.
  const std::vector<float> sr = read("sr", golden_shape().size()), gt = read("gt", fine_shape().size());
  Tensor dy = Tensor::zeros(fine_shape());
  const float each = 1 / static_cast<float>(golden_shape().size());
  for_each_golden_pixel([&](size_t golden, size_t fine) {
    const float error = sr[golden] - gt[fine];
    dy.data()[fine] = error > 0 ? each : error < 0 ? -each : 0;
  });
  (*model_->network)(Var(read("lr", {kImages, kSize, kSize, 1}))).backward(dy);
  expect_gradients("grad_l1", dy);
}

TEST_P(Golden, GradientsOfTheSquaredErrorAgree) {
  const std::vector<float> gt = read("gt", fine_shape().size());
  const std::vector<float> bicubic = read("bicubic", fine_shape().size());
  const Var y = (*model_->network)(Var(read("lr", {kImages, kSize, kSize, 1})));
  Tensor dy = Tensor::zeros(fine_shape());
  for_each_golden_pixel([&](size_t, size_t fine) {
    const float error = y.value().data()[fine] + bicubic[fine] - gt[fine];
    dy.data()[fine] = 2 * error / static_cast<float>(golden_shape().size());
  });
  y.backward(dy);
  expect_gradients("grad_mse", dy);
}

INSTANTIATE_TEST_SUITE_P(Factor, Golden, testing::Values(2, 3, 4),
                         [](const auto& factor) { return "x" + std::to_string(factor.param); });

}  // namespace
}  // namespace sr
