#include "tensor/conv2d/packed_weights_cuda.h"

#include <utility>
#include <vector>

#include "tensor/conv2d/conv2d_cuda.h"
#include "tensor/cuda/device.h"
#include "tensor/cuda/pool.h"
#include "tensor/cuda/tensors.h"

namespace sr::cuda {
namespace {

// Memory for a weight in the operation's order.
Tensor room_for_packed(ConvOp op, const ConvDims& d, const ConvTypes& types) {
  return Tensor(Shape{1, 1, 1, (conv2d_workspace(op, d, types, conv_device()) + 3) / 4}, DType::f32,
                Device::cuda);
}

Tensor contiguous(const Tensor& weight) {
  finish_if_waiting(weight);
  return weight.is_contiguous() ? weight : weight.clone();
}

Tensor pack(ConvOp op, const ConvDims& d, const ConvTypes& types, const Tensor& weight) {
  Tensor packed = room_for_packed(op, d, types);
  const Tensor whole = contiguous(weight);
  conv2d_pack(op, d, types, static_cast<const float*>(whole.address()), packed.address(), conv_device());
  return packed;
}

PackedWeights*& kept_weights() {
  thread_local PackedWeights* kept = nullptr;
  return kept;
}

}  // namespace

ConvDevice conv_device() {
  const Queue q = queue();
  return {q.stream, q.blocks / 8, shared_bytes_of_block(), has_wgmma()};
}

Tensor packed_weights(ConvOp op, const ConvDims& d, const ConvTypes& types, const Tensor& weight) {
  return kept_weights() ? (*kept_weights())(op, d, types, weight) : pack(op, d, types, weight);
}

bool are_packed(ConvOp op, const ConvDims& d, const ConvTypes& types, const Tensor& weight) {
  return kept_weights() && kept_weights()->settled(op, d, types, weight);
}

KeepPacked::KeepPacked(PackedWeights& packed) : before_(std::exchange(kept_weights(), &packed)) {}

KeepPacked::~KeepPacked() {
  kept_weights() = before_;
}

KeepNone::KeepNone() : before_(std::exchange(kept_weights(), nullptr)) {}

KeepNone::~KeepNone() {
  kept_weights() = before_;
}

PackedWeights::Key PackedWeights::key(ConvOp op, const ConvDims& d, const ConvTypes& types,
                                      const Tensor& weight) {
  const int64_t numbers = (static_cast<int64_t>(types.x) * 4 + static_cast<int64_t>(types.y)) * 4 +
                          static_cast<int64_t>(types.math);
  return {reinterpret_cast<int64_t>(weight.address()),
          static_cast<int64_t>(op),
          reinterpret_cast<int64_t>(&conv2d_algorithm(op, d, types, conv_device())),
          d.stride,
          d.groups,
          d.pad_h,
          numbers,
          conv2d_workspace(op, d, types, conv_device())};
}

bool PackedWeights::settled(ConvOp op, const ConvDims& d, const ConvTypes& types,
                            const Tensor& weight) const {
  return !packed_just_now_ && packed_.contains(key(op, d, types, weight));
}

Tensor PackedWeights::operator()(ConvOp op, const ConvDims& d, const ConvTypes& types, const Tensor& weight) {
  packed_just_now_ = false;  // the kernel that takes this one waits for those that packed
  const Key wanted = key(op, d, types, weight);
  auto entry = packed_.find(wanted);
  if (entry == packed_.end()) {
    const UsePool outside(nullptr);  // it stays: a graph's pool would miss its block when it is recorded
    entry = packed_.emplace(wanted, Entry{{op, d, types}, weight, pack(op, d, types, weight)}).first;
  }
  return entry->second.packed;
}

void PackedWeights::pack_again() {
  packed_just_now_ = true;
  std::vector<PackTask> tasks;
  std::vector<Tensor> whole;  // until the kernels were asked for
  for (const auto& [key, entry] : packed_) {
    whole.push_back(contiguous(entry.weight));
    PackTask task = entry.task;
    task.weight = static_cast<const float*>(whole.back().address());
    task.packed = Tensor(entry.packed).address();  // the same memory
    tasks.push_back(task);
  }
  conv2d_pack(tasks, conv_device());
}

}  // namespace sr::cuda
