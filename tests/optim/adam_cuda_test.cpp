// The optimizer's kernels against Adam and Ema on the CPU.
#include "optim/adam_cuda.h"

#include <cmath>
#include <limits>
#include <memory>

#include "autograd/functions.h"
#include "optim/ema.h"
#include "tests/support/cuda_arrays.h"

namespace sr {
namespace {

constexpr double kEmaDecay = 0.99;

// Parameters of several pieces, of a part of one, and of a single value.
void create_parameters(Params& params) {
  params.scope().create("wide", {64, 3, 3, 16}, 0.1);
  params.scope().create_bias("bias", 61);
  params.scope().create("odd", {1, 1, 1, 2051}, 0.5, 0.3f);
  params.scope().create("one", {1, 1, 1, 1}, 0.5);
}

void set_gradients(Params& params, Random& random) {  // that of sum(dy * (p + p)) is 2 dy
  for (Parameter& p : params.list()) add(p.var, p.var).backward(random_normal(p.var.shape(), 0.1, random));
}

// A parameter's arrays on the device, each `shift` floats from where 16-byte accesses could be.
struct OnDevice {
  std::unique_ptr<DeviceTensor> weight, m, v, gradient, average, copy;
  OnDevice(const Tensor& value, DType copy_type, int64_t shift) {
    const auto make = [&](const Tensor& t) {
      return std::make_unique<DeviceTensor>(t, DType::f32, Placement{shift, 0});
    };
    weight = make(value), m = make(Tensor::zeros(value.shape())), v = make(Tensor::zeros(value.shape()));
    gradient = make(Tensor::zeros(value.shape())), average = make(value);
    copy = std::make_unique<DeviceTensor>(value.shape(), copy_type, Placement{shift, 0});
  }
};
float* floats(const DeviceTensor& t) {
  return static_cast<float*>(t.view().data);
}

// The parameters of `params` on the device, and steps on them.
class DeviceAdam {
 public:
  DeviceAdam(const Params& params, const AdamOptions& options, bool multipliers, DType copy_type,
             int64_t shift)
      : options_(options), copy_type_(copy_type) {
    for (const Parameter& p : params.list()) {
      const OnDevice& t = tensors.emplace_back(p.var.value(), copy_type, shift);
      table_.push_back({floats(*t.weight), floats(*t.m), floats(*t.v), floats(*t.gradient),
                        floats(*t.average), t.copy->view().data, p.var.shape().size(),
                        multipliers ? double{p.rate} : 1, p.decays ? options.weight_decay : 0});
    }
    pieces_ = cuda::number_pieces(table_);
    on_device_ = std::make_unique<DeviceArray<cuda::AdamTensor>>(table_);
    state.set({cuda::StepState{}});
  }

  cuda::AdamTable table() const { return {on_device_->data(), static_cast<int>(table_.size()), pieces_}; }

  void set_gradients(const Params& params, int64_t shift) {
    for (size_t i = 0; i < tensors.size(); ++i) {
      tensors[i].gradient =
          std::make_unique<DeviceTensor>(params.list()[i].var.grad(), DType::f32, Placement{shift, 0});
      table_[i].gradient = floats(*tensors[i].gradient);
    }
    on_device_->set(table_);
  }

  void step(const cuda::Queue& queue, int64_t t, double rate, double clip_norm, const float* loss = nullptr) {
    const DeviceArray<double> workspace(static_cast<size_t>(pieces_));
    const DeviceArray<cuda::AdamStep> factors(
        std::vector<cuda::AdamStep>{cuda::adam_step(options_, t, rate, kEmaDecay)});
    cuda::gradient_norm(queue, table(), 1, clip_norm, loss, state.data(), workspace.data());
    cuda::adam(queue, table(), options_, copy_type_, factors.data(), state.data());
  }

  std::vector<OnDevice> tensors;
  DeviceArray<cuda::StepState> state{1};

 private:
  AdamOptions options_;
  DType copy_type_;
  std::vector<cuda::AdamTensor> table_;
  std::unique_ptr<DeviceArray<cuda::AdamTensor>> on_device_;
  int64_t pieces_ = 0;
};

// Three steps on both sides; every array must agree in every bit.
void expect_same_steps(const cuda::Queue& queue, const AdamOptions& options, bool multipliers,
                       double clip_norm, DType copy_type, int64_t shift) {
  Params params, averages;
  create_parameters(params);
  create_parameters(averages);
  Adam adam(params, options);
  Ema ema(params, averages, kEmaDecay);
  DeviceAdam device(params, options, multipliers, copy_type, shift);
  Random random{7};
  for (int64_t t = 1; t <= 3; ++t) {
    set_gradients(params, random);
    device.set_gradients(params, shift);
    const double norm = gradient_norm(params);
    device.step(queue, t, 1e-2, clip_norm);
    adam.step(1e-2, clip_norm > 0 && norm > clip_norm ? clip_norm / norm : 1, multipliers);
    ema.update(t - 1);
    const cuda::StepState state = device.state.to_vector()[0];
    EXPECT_NEAR(state.norm, norm, 1e-14 * norm);
    EXPECT_EQ(state.stopped, 0);
  }
  const auto moments = adam.moments();
  for (size_t i = 0; i < device.tensors.size(); ++i) {
    const OnDevice& t = device.tensors[i];
    const Tensor weight = params.list()[i].var.value();
    EXPECT_TRUE(same_bits(t.weight->values(), weight)) << params.list()[i].name;
    EXPECT_TRUE(same_bits(t.m->values(), moments[2 * i].second)) << params.list()[i].name;
    EXPECT_TRUE(same_bits(t.v->values(), moments[2 * i + 1].second)) << params.list()[i].name;
    EXPECT_TRUE(same_bits(t.average->values(), averages.list()[i].var.value())) << params.list()[i].name;
    EXPECT_TRUE(same_bits(t.copy->values(), stored_as(weight, copy_type))) << params.list()[i].name;
  }
}

TEST(CudaAdam, StepsHaveTheCpusBitsForEveryGrid) {
  on_every_queue([&](const cuda::Queue& queue) { expect_same_steps(queue, {}, false, 0, DType::bf16, 0); });
}

TEST(CudaAdam, EveryOptionHasTheCpusBits) {
  AdamOptions options;
  options.beta1 = 0.8, options.beta2 = 0.95, options.epsilon = 1e-3, options.weight_decay = 0.1;
  expect_same_steps({}, options, true, 0, DType::f16, 0);
  options.decoupled = true;
  expect_same_steps({}, options, true, 0, DType::f16, 0);
}

TEST(CudaAdam, ArraysWithoutAlignmentGiveTheSameBits) {
  expect_same_steps({}, {}, false, 0, DType::bf16, 1);
  expect_same_steps({}, {}, false, 0, DType::bf16, 2);  // half-way: the copy's four elements would fit
}

TEST(CudaAdam, ClippingNeedsNothingFromTheHost) {
  expect_same_steps({}, {}, false, 0.5, DType::bf16, 0);     // shortens
  expect_same_steps({}, {}, false, 1000.0, DType::bf16, 0);  // does not
}

TEST(CudaAdam, WorksWithoutAverageAndCopy) {
  Params params;
  params.scope().create("weight", {1, 1, 1, 1500}, 0.5);
  Random random{3};
  const Tensor gradient = random_normal(params.list()[0].var.shape(), 1, random);
  const DeviceTensor w(params.list()[0].var.value(), DType::f32, {}), g(gradient, DType::f32, {});
  const DeviceTensor m(Tensor::zeros(gradient.shape()), DType::f32, {}),
      v(Tensor::zeros(gradient.shape()), DType::f32, {});
  std::vector<cuda::AdamTensor> table(1);
  table[0].weight = floats(w), table[0].m = floats(m), table[0].v = floats(v), table[0].gradient = floats(g);
  table[0].size = 1500;
  const int64_t pieces = cuda::number_pieces(table);
  const DeviceArray<cuda::AdamTensor> on_device(table);
  const AdamOptions options{.weight_decay = 0};
  const DeviceArray<cuda::AdamStep> step(std::vector<cuda::AdamStep>{cuda::adam_step(options, 1, 0.1, 0)});
  const DeviceArray<cuda::StepState> state(std::vector<cuda::StepState>{{0, 1, 0}});
  cuda::adam({}, {on_device.data(), 1, pieces}, options, DType::bf16, step.data(), state.data());
  const Tensor before = params.list()[0].var.value();
  const Tensor after = w.values();
  for (int64_t i = 0; i < 1500; ++i)  // the first step goes the whole rate against the gradient's sign
    EXPECT_NEAR(after.data()[i] - before.data()[i], gradient.data()[i] > 0 ? -0.1 : 0.1, 1e-5);
}

TEST(CudaAdam, AStepThatIsNotFiniteIsNotTakenNorAnyAfterIt) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinite = std::numeric_limits<float>::infinity();
  for (const bool bad_loss : {false, true}) {
    Params params;
    create_parameters(params);
    DeviceAdam device(params, {}, false, DType::bf16, 0);
    Random random{5};
    set_gradients(params, random);
    device.set_gradients(params, 0);
    const DeviceArray<float> loss(std::vector<float>{bad_loss ? infinite : 0.1f});
    Tensor gradient = params.list()[2].var.grad();
    const float good = gradient.data()[77];
    if (!bad_loss) gradient.data()[77] = nan;
    device.set_gradients(params, 0);
    device.step({}, 1, 1e-2, 0, loss.data());
    EXPECT_NE(device.state.to_vector()[0].stopped, 0);
    gradient.data()[77] = good;
    device.set_gradients(params, 0);
    device.step({}, 2, 1e-2, 0);
    EXPECT_NE(device.state.to_vector()[0].stopped, 0);
    for (size_t i = 0; i < device.tensors.size(); ++i) {
      EXPECT_TRUE(same_bits(device.tensors[i].weight->values(), params.list()[i].var.value()));
      EXPECT_TRUE(same_bits(device.tensors[i].m->values(), Tensor::zeros(params.list()[i].var.shape())));
    }
  }
}

TEST(CudaAdam, TheNormHasTheSameBitsForEveryGrid) {
  Params params;
  create_parameters(params);
  Random random{6};
  set_gradients(params, random);
  DeviceAdam device(params, {}, false, DType::bf16, 0);
  device.set_gradients(params, 0);
  std::vector<double> norms;
  on_every_queue([&](const cuda::Queue& queue) {
    const DeviceArray<double> workspace(static_cast<size_t>(device.table().pieces));
    cuda::gradient_norm(queue, device.table(), 1, 0, nullptr, device.state.data(), workspace.data());
    norms.push_back(device.state.to_vector()[0].norm);
  });
  for (const double norm : norms) EXPECT_EQ(norm, norms[0]);
}

}  // namespace
}  // namespace sr
