// The losses, and the whole network's gradients with the authors' weights, against values computed
// independently in double precision.
//
// Activations that lie within rounding of the leaky ReLU's kink may take the other slope in float32, and a
// single one of the 1.4 million is up to 5 % of a parameter's gradient. So the comparison goes by two links,
// and neither is loose: the network's gradients are those of the same operations with the slopes written out,
// and with the slopes that double precision takes these are the golden ones.
#include <algorithm>
#include <cmath>
#include <functional>
#include <map>

#include "autograd/functions.h"
#include "tensor/ops/loss.h"
#include "tensor/ops/pairs.h"
#include "tensor/ops/pointwise.h"
#include "tensor/ops/ssim.h"
#include "tests/support/golden.h"
#include "tests/support/instrumented.h"

namespace sr {
namespace {

using reference::Array;

Tensor times(const Tensor& a, const Tensor& b) {
  return map_pairs(a, b, [](float x, float y) { return x * y; });
}

Tensor slopes_of(const std::vector<double>& values, const Shape& shape) {
  Tensor t(shape);
  for (size_t i = 0; i < values.size(); ++i) t.data()[i] = values[i] > 0 ? 1 : kLeak;
  return t;
}

// y + the parts side by side along the channels.
Var add_joined(const Var& y, const std::vector<Var>& parts) {
  std::vector<Tensor> values;
  for (const Var& part : parts) values.push_back(part.value());
  std::vector<Var> inputs{y};
  inputs.insert(inputs.end(), parts.begin(), parts.end());
  return Var(add_concat(y.value(), values), inputs, [parts](const Tensor& dy) {
    std::vector<Tensor> grads{dy};
    int64_t begin = 0;
    for (const Var& part : parts) {
      grads.push_back(dy.channels(begin, begin + part.shape().c));
      begin += part.shape().c;
    }
    return grads;
  });
}

// The layers of reference::coarse_part on Vars, with leaky ReLUs whose slopes are given.
struct SlopedLayers {
  const std::map<std::string, Var>& parameters;
  std::function<Tensor(const std::string& layer, const Tensor& z)> slopes;

  Var operator()(const std::string& name, const Var& x, int groups = 1, float leak = kLeak,
                 const std::vector<Var>& added = {}) const {
    const Var& weight = parameters.at(name + ".weight");
    const int pad = static_cast<int>(weight.shape().h / 2);
    const Var z = conv2d(x, weight, parameters.at(name + ".bias"),
                         {.pad_begin = pad, .pad_end = pad, .groups = groups});
    if (leak == 1) return z;
    const Tensor slope = slopes(name, z.value());
    const Var y(times(z.value(), slope), {z},
                [slope](const Tensor& dy) { return std::vector<Tensor>{times(dy, slope)}; });
    return added.empty() ? y : add_joined(y, added);
  }
};

// The layers of reference::coarse_part in double, keeping what goes into each leaky ReLU.
struct KeptLayers {
  const reference::Arrays& parameters;
  reference::Arrays& kept;

  Array operator()(const std::string& name, const Array& x, int groups = 1, float leak = kLeak,
                   const std::vector<Array>& added = {}) const {
    Array y = reference::layer(parameters, name, x, groups, 1);
    if (leak == 1) return y;
    kept.emplace(name, y);
    for (double& value : y.values) value *= value > 0 ? 1 : double{leak};
    return reference::add_joined(y, added);
  }
};

class GoldenGradient : public Golden {
 protected:
  using Loss = std::function<Var(const Var&)>;

  void SetUp() override {
    Golden::SetUp();
    if (!model_) return;
    for (const Parameter& p : model_->params->list()) parameters_.emplace(p.name, p.var);
  }

  Tensor golden_result() const { return read("sr", golden_shape()); }
  Tensor target() const {
    const Tensor fine = read("gt", fine_shape());
    Tensor part(golden_shape());
    for_each_golden_pixel([&](size_t golden, size_t f) { part.data()[golden] = fine.data()[f]; });
    return part;
  }

  /// Gradients of all parameters, where the loss is taken at the golden result: the network's own may be on
  /// the other side of a target by a last bit, which turns the absolute error's sign.
  std::map<std::string, Array> gradients(const Var& y, const Loss& loss) {
    const Var result(golden_result(), {y}, [this](const Tensor& dy) {
      magnitude_ = l1_loss(dy, Tensor::zeros(dy.shape())) * static_cast<double>(dy.shape().size());
      Tensor dx = Tensor::zeros(fine_shape());
      for_each_golden_pixel([&](size_t golden, size_t f) { dx.data()[f] = dy.data()[golden]; });
      return std::vector<Tensor>{dx};
    });
    loss(result).backward(Tensor::from({1, 1, 1, 1}, std::vector<float>{1}));
    std::map<std::string, Array> all;
    for (Parameter& p : model_->params->list()) {
      all.emplace(p.name, Array(p.var.grad()));
      p.var.clear_grad();
    }
    return all;
  }

  Var sloped_network(const SlopedLayers& layers) const {
    const NetworkOptions o = model_->options();
    const Var& weight = parameters_.at("upsample.weight");
    const int kernel = static_cast<int>(weight.shape().h);
    return conv_transpose2d(
        reference::coarse_part(layers, o, Var(lr())), weight, parameters_.at("upsample.bias"), fine_shape().h,
        fine_shape().w,
        {.stride = o.factor, .pad_begin = o.crop_begin, .pad_end = kernel - o.factor - o.crop_begin});
  }

  std::map<std::string, Array> golden_gradients(const std::string& name) const {
    const std::vector<float> values = read(name, model_->params->count());
    std::map<std::string, Array> all;
    int64_t begin = 0;
    for (const Parameter& p : model_->params->list()) {
      all.emplace(p.name, Array(channels_last(&values[static_cast<size_t>(begin)], p.var.shape())));
      begin += p.var.shape().size();
    }
    return all;
  }

  /// Each parameter's gradient within `bound` of its largest value.
  void expect_near(const std::map<std::string, Array>& result, const std::map<std::string, Array>& expected,
                   double bound) const {
    for (const auto& [name, want] : expected) {
      const Array& got = result.at(name);
      double largest = 0, worst = 0;
      for (size_t i = 0; i < want.values.size(); ++i) {
        largest = std::max(largest, std::abs(want.values[i]));
        const double d = std::abs(got.values[i] - want.values[i]);
        if (!(d <= worst)) worst = d;
      }
      // The sum of the result's gradient cancels, so that its rounding to float32 shows.
      const double rounding = name == "upsample.bias" ? 1e-6 * magnitude_ : 0;
      EXPECT_LE(worst, bound * largest + rounding) << name;
    }
  }

  std::map<std::string, Var> parameters_;
  double magnitude_ = 0;  // sum of |gradient of the result| in the last call of gradients()
};

TEST_P(GoldenGradient, LossesAgree) {
  const Tensor sr = golden_result(), gt = target();
  EXPECT_NEAR(l1_loss(sr, gt), read_number("loss_l1"), 1e-8);
  EXPECT_NEAR(l2_loss(sr, gt), read_number("loss_mse"), 1e-9);
  EXPECT_NEAR(-ssim(sr, gt, 1), read_number("loss_ssim"), 1e-8);
}

TEST_P(GoldenGradient, OfEveryLossAgreesForEveryParameter) {
  const Tensor gt = target();
  const std::pair<const char*, Loss> losses[] = {
      {"grad_ssim", [&](const Var& y) { return ssim_loss(y, gt, 1); }},
      {"grad_l1", [&](const Var& y) { return l1_loss(y, gt); }},
      {"grad_mse", [&](const Var& y) { return l2_loss(y, gt); }}};
  const reference::Arrays arrays = reference::arrays_of(*model_->params);
  reference::Arrays kept;
  reference::coarse_part(KeptLayers{arrays, kept}, model_->options(), Array(lr()));
  if (factor_ == 4)
    for (double* doubtful :
         {&kept.at("blocks.0.conv6").at(0, 5, 18, 39), &kept.at("blocks.2.conv4").at(1, 18, 5, 13)}) {
      // The golden input had more digits than its file, which shows in these two.
      EXPECT_NEAR(*doubtful, 0, 2e-7);
      *doubtful = -*doubtful;
    }
  const SlopedLayers in_float{parameters_, [&](const std::string& layer, const Tensor& z) {
                                const Array single(z), &exact = kept.at(layer);
                                for (size_t i = 0; i < exact.values.size(); ++i) {
                                  if ((single.values[i] > 0) == (exact.values[i] > 0)) continue;
                                  EXPECT_LT(std::abs(exact.values[i]), 5e-6)
                                      << layer << ": a sign that is no matter of rounding";
                                }
                                return slopes_of(single.values, z.shape());
                              }};
  const SlopedLayers in_double{parameters_, [&](const std::string& layer, const Tensor& z) {
                                 return slopes_of(kept.at(layer).values, z.shape());
                               }};
  for (const auto& [name, loss] : losses) {
    if (kInstrumented && name != losses[0].first) break;  // the other losses run the same code but for a line
    SCOPED_TRACE(name);
    expect_near(gradients((*model_->network)(Var(lr())), loss), gradients(sloped_network(in_float), loss),
                2e-6);
    expect_near(gradients(sloped_network(in_double), loss), golden_gradients(name), 1e-4);
  }
}

INSTANTIATE_TEST_SUITE_P(Factor, GoldenGradient, golden_factors(), golden_name);

}  // namespace
}  // namespace sr
