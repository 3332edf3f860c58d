#include "tensor/conv2d/cuda/sm80/tensor.h"

#include "tensor/conv2d/cuda/operand_types.h"

namespace sr::cuda {
namespace {

template <class T>
bool stored_as_operands(const ConvProblem& p) {
  return p.aligned() && p.types.x == kStorage<T> && p.types.y == kStorage<T>;
}

int64_t bytes(const ConvProblem& p, const ConvDevice& device) {
  int64_t bytes = 0;
  with_operand(p.types.math, [&](auto t) {
    using T = decltype(t);
    FragmentOrder order{};
    if (p.op == ConvOp::grad_weight && stored_as_operands<T>(p))
      tensor_grad_weight_bytes<T>(p.run, p.layers, &bytes);
    else if (tensor_order<T>(p, device, &order))
      bytes = order.bytes();
  });
  return bytes;
}

void conv(const ConvProblem& p, const void* x, const void* packed, const ConvEpilogue& epilogue, void* y,
          const ConvDevice& device) {
  with_operand(p.types.math,
               [&](auto t) { tensor_conv<decltype(t)>(p.run, x, packed, epilogue, y, device); });
}

void grad_weights(const ConvProblem& p, std::span<const GradWeightTask> layers, void* partial,
                  const ConvDevice& device) {
  with_operand(p.types.math,
               [&](auto t) { tensor_grad_weights<decltype(t)>(p.run, layers, partial, device); });
}

bool grads_bias(const ConvProblem& p) {
  bool bias = false;
  with_operand(p.types.math, [&](auto t) { bias = tensor_grads_bias<decltype(t)>(p.run); });
  return bias;
}

}  // namespace

template <class T>
bool tensor_order(const ConvProblem& p, const ConvDevice& device, FragmentOrder* order) {
  return p.op != ConvOp::grad_weight && stored_as_operands<T>(p) &&
         tensor_conv_order<T>(p.run, device.shared_bytes, order);
}
template bool tensor_order<float>(const ConvProblem&, const ConvDevice&, FragmentOrder*);
template bool tensor_order<__nv_bfloat16>(const ConvProblem&, const ConvDevice&, FragmentOrder*);
template bool tensor_order<__half>(const ConvProblem&, const ConvDevice&, FragmentOrder*);

const ConvAlgorithm kTensor{"tensor", bytes,   pack_as_fragments, conv,      grad_weights,
                            true,     nullptr, nullptr,           grads_bias};

}  // namespace sr::cuda
