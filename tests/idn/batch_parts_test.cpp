// A batch's gradients and loss are the sums of its parts' by the tree of tensor/image_tree.h, to the bit:
// what lets processes share a training step.
#include <gtest/gtest.h>
#include <omp.h>

#include <optional>
#include <vector>

#include "autograd/functions.h"
#include "idn/network.h"
#include "tensor/bands/kernels.h"
#include "tensor/image_tree.h"
#include "tests/support/simd_sets.h"

namespace sr {
namespace {

using LossOf = Var (*)(const Var& x, const Tensor& target, int64_t batch);

constexpr LossOf kLosses[] = {
    [](const Var& x, const Tensor& t, int64_t batch) { return l1_loss(x, t, batch); },
    [](const Var& x, const Tensor& t, int64_t batch) { return l2_loss(x, t, batch); },
    [](const Var& x, const Tensor& t, int64_t batch) { return ssim_loss(x, t, 1, batch); },
    [](const Var& x, const Tensor& t, int64_t batch) { return spectral_angle_loss(x, t, 1, batch); }};

// What backward() leaves in the leaves, in the graph's order, and before them the loss.
struct Gradients {
  std::vector<std::vector<float>> all;
  void operator+=(const Gradients& right) {
    for (size_t i = 0; i < all.size(); ++i)
      for (size_t k = 0; k < all[i].size(); ++k) all[i][k] += right.all[i][k];
  }
  bool operator==(const Gradients&) const = default;
};

Tensor images(const Tensor& x, int64_t begin, int64_t end) {
  Shape shape = x.shape();
  shape.n = end - begin;
  return x.part(begin * shape.h * shape.w * shape.c, shape);
}

struct Batch {
  static constexpr int64_t kImages = 21;  // the last leaf has one
  Params params{7};
  Network network;
  Tensor down, gt;

  explicit Batch(const NetworkOptions& options) : network(params.scope(), options) {
    Random random{1};
    down = random_normal({kImages, 8, 8, options.nchan}, 0.3, random);
    gt = random_normal({kImages, 16, 16, options.nchan}, 0.3, random);
  }

  Gradients of(int64_t begin, int64_t end, LossOf loss_of) const {
    const MergedAsLeaves merged;
    const Var loss = loss_of(network(Var(images(down, begin, end))), images(gt, begin, end), kImages);
    Gradients g{{loss.value().to_vector()}};
    const float one = 1;
    loss.backward(Tensor::from({1, 1, 1, 1}, {&one, 1}), [&](Var leaf) {
      g.all.push_back(leaf.grad().to_vector());
      leaf.clear_grad();
    });
    return g;
  }
};

void expect_sums(const NetworkOptions& options, LossOf loss_of) {
  const Batch batch(options);
  omp_set_num_threads(2);
  const Gradients whole = batch.of(0, Batch::kImages, loss_of);
  ASSERT_GT(whole.all.size(), 5u);
  for (const int64_t leaves : {1, 2, 8}) {  // of a part
    omp_set_num_threads(static_cast<int>(leaves % 4 + 1));
    TreeSum<Gradients> sum;
    for_each_leaf(
        Batch::kImages, [&](int64_t begin, int64_t end) { sum.add(batch.of(begin, end, loss_of)); }, leaves);
    EXPECT_TRUE(sum.total() == whole) << "parts of " << leaves << " leaves";
  }
}

NetworkOptions small(bool span) {
  NetworkOptions o;
  o.nchan = 2;
  o.num_FB_layers = 2, o.num_Dist_blocks = 1;
  o.crop_begin = 7;
  if (span) o.span = SpanOptions{.channels = 16, .blocks = 1, .branches = true};
  return o;
}

TEST(BatchParts, GradientsAreTheSumsOfTheirs) {
  for_each_simd([] {
    for (const bool span : {false, true}) {
      SCOPED_TRACE(span ? "span" : "idn");
      expect_sums(small(span), kLosses[0]);
    }
  });
}

TEST(BatchParts, EachLossIsTheSumOfTheirs) {
  for (const LossOf loss : kLosses) expect_sums(small(false), loss);
}

TEST(BatchParts, InBfloat16Too) {
  if (!bands::has_bf16()) GTEST_SKIP() << "this processor has no products of bfloat16";
  bands::set_precision(bands::Precision::bf16);
  for (const bool span : {false, true}) expect_sums(small(span), kLosses[0]);
  bands::set_precision(bands::Precision::fp32);
}

TEST(BatchParts, MergedWeightsGiveTheirGradientsToTheBranches) {
  const Batch batch(small(true));
  const auto gradients = [&](bool as_leaves) {
    std::optional<MergedAsLeaves> merged;
    if (as_leaves) merged.emplace();
    const float one = 1;
    l1_loss(batch.network(Var(batch.down)), batch.gt).backward(Tensor::from({1, 1, 1, 1}, {&one, 1}));
    if (merged) merged->backward();
    Gradients g;
    for (const Parameter& p : batch.params.list()) {
      g.all.push_back(p.var.grad().to_vector());
      Var(p.var).clear_grad();
    }
    return g;
  };
  EXPECT_TRUE(gradients(true) == gradients(false));
}

}  // namespace
}  // namespace sr
