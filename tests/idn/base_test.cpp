// Networks that make the image itself: what is added to the enlargement makes up for it, wherever it is used.
#include <gtest/gtest.h>

#include "idn/ensemble.h"
#include "idn/score.h"
#include "idn/super_resolve.h"
#include "tensor/ops/resize.h"
#include "tensor/ops/symmetry.h"
#include "tensor/random.h"

namespace sr {
namespace {

NetworkOptions small(int factor, int nchan, Base base) {
  NetworkOptions o{.factor = factor, .nchan = nchan, .num_FB_layers = 1, .num_Dist_blocks = 0, .base = base};
  o.crop_begin = 9 - factor;
  return o;
}

// The same random weights for both bases.
Model model_of(int factor, int nchan, Base base) {
  Model model(small(factor, nchan, base), 3);
  for (int k = 0; k < nchan; ++k) {
    const auto at = static_cast<size_t>(k);
    model.means.down[at] = 0.4 + 0.1 * k, model.means.gt[at] = 0.35 + 0.1 * k;
    model.means.bic_up[at] = 7 + k;  // of which nothing may be seen without a base
  }
  return model;
}

Tensor random_image(const Shape& shape) {
  Random random{6};
  Tensor image(shape);
  for (int64_t i = 0; i < shape.size(); ++i) image.data()[i] = static_cast<float>(random.uniform());
  return image;
}

// The network's own result for the image less mean_down, and mean_gt.
Tensor made_directly(const Model& model, const Tensor& image) {
  const int64_t c = image.shape().c;
  Tensor less(image.shape());
  for (int64_t i = 0; i < image.shape().size(); ++i)
    less.data()[i] = image.data()[i] - static_cast<float>(model.means.down[static_cast<size_t>(i % c)]);
  const NoGrad no_grad;
  Tensor y = (*model.network)(Var(less)).value().clone();
  for (int64_t i = 0; i < y.shape().size(); ++i)
    y.data()[i] += static_cast<float>(model.means.gt[static_cast<size_t>(i % c)]);
  return y;
}

void expect_near(const Tensor& a, const Tensor& b) {
  ASSERT_EQ(a.shape(), b.shape());
  for (int64_t i = 0; i < a.shape().size(); ++i) ASSERT_NEAR(a.data()[i], b.data()[i], 1e-5) << i;
}

TEST(NoBase, TheNetworksOwnResultIsTheImageWhateverEnlargementIsGiven) {
  for (const int factor : {2, 3, 4})
    for (const int nchan : {1, 3}) {
      const Model model = model_of(factor, nchan, Base::none);
      const Tensor image = random_image({1, 6, 7, nchan});
      const Tensor rounded = Tensor::zeros({1, 6 * factor, 7 * factor, nchan});
      expect_near(super_resolve(model, image, rounded), made_directly(model, image));
    }
}

TEST(NoBase, WhatIsAddedIsThatLessTheEnlargement) {
  const Model none = model_of(3, 1, Base::none), bicubic = model_of(3, 1, Base::bicubic);
  const Tensor image = random_image({1, 5, 8, 1}), enlarged = bicubic_enlarge(image, 3);
  const Tensor whole = none.residual(image), added = bicubic.residual(image);
  for (int64_t i = 0; i < whole.shape().size(); ++i)
    ASSERT_NEAR(whole.data()[i], added.data()[i] - enlarged.data()[i], 1e-6);
  EXPECT_FLOAT_EQ(none.shift(0), 0.35f - 0.4f);
  EXPECT_FLOAT_EQ(bicubic.shift(0), 0.35f - 7);
}

TEST(NoBase, ScoresSeeTheNetworksOwnResultAndItsMeanOverTheFlipsAndRotations) {
  const Model model = model_of(2, 1, Base::none);
  const Tensor image = random_image({1, 9, 6, 1});
  expect_near(super_resolve_luma(model, image, false), made_directly(model, image));
  Tensor mean = Tensor::zeros({1, 18, 12, 1});
  for (int symmetry = 0; symmetry < kSymmetries; ++symmetry) {
    const Tensor answer = turned_back(made_directly(model, turned(image, symmetry)), symmetry);
    for (int64_t i = 0; i < mean.shape().size(); ++i) mean.data()[i] += answer.data()[i] / kSymmetries;
  }
  expect_near(super_resolve_luma(model, image, true), mean);
}

// Of a network that looks less far than the enlargement does.
TEST(NoBase, ImagesThatAreCutForTheirWidthHaveNoSeam) {
  NetworkOptions options = small(4, 1, Base::none);
  options.crop_begin = 0;
  const Model model(options, 3);
  EXPECT_EQ(model.reach().after, 2);
  const Tensor image = random_image({1, 2, 2100, 1});
  const Tensor cut = network_residual(model, image), whole = model.residual(image);
  EXPECT_EQ(cut.to_vector(), whole.to_vector());
}

TEST(NoBase, MemoryIsThatOfTheEnlargementWhereTheNetworkTakesLess) {
  const Model none = model_of(4, 1, Base::none), bicubic = model_of(4, 1, Base::bicubic);
  EXPECT_GE(none.working_bytes(1000, 5000), int64_t{4} * 4000 * 20000);
  EXPECT_LT(bicubic.working_bytes(1000, 5000), int64_t{4} * 4000 * 20000);
}

}  // namespace
}  // namespace sr
