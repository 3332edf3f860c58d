#include "autograd/var.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "tensor/error.h"
#include "tensor/pointwise.h"

namespace sr {
namespace {

thread_local bool recording = true;

}  // namespace

struct Var::Node {
  Tensor value, grad;
  bool needs_grad = false;
  bool walked = false;
  std::vector<Var> inputs;
  Backward backward;
};

NoGrad::NoGrad() : before_(recording) {
  recording = false;
}
NoGrad::~NoGrad() {
  recording = before_;
}
bool grad_enabled() {
  return recording;
}

Var::Var(Tensor value, bool needs_grad) : node_(std::make_shared<Node>()) {
  node_->value = std::move(value);
  node_->needs_grad = needs_grad;
}

Var::Var(Tensor value, std::vector<Var> inputs, Backward backward) : Var(std::move(value)) {
  const bool wanted = std::any_of(inputs.begin(), inputs.end(), [](const Var& v) { return v.needs_grad(); });
  if (!recording || !wanted) return;
  node_->needs_grad = true;
  node_->inputs = std::move(inputs);
  node_->backward = std::move(backward);
}

const Tensor& Var::value() const {
  if (!node_) throw Error(Error::Kind::usage, "value of a variable: it has none");
  return node_->value;
}

bool Var::needs_grad() const {
  return node_ && node_->needs_grad;
}

const Tensor& Var::grad() const {
  if (!node_) throw Error(Error::Kind::usage, "gradient of a variable: it has no value");
  return node_->grad;
}

void Var::clear_grad() {
  if (node_) node_->grad = {};
}

void Var::set_value(Tensor value) {
  if (!node_ || node_->backward || node_->walked)
    throw Error(Error::Kind::usage, "set_value: only a leaf's value can be replaced");
  if (!(value.shape() == node_->value.shape()))
    throw Error(Error::Kind::shape, "set_value: shape ", value.shape(), " for a variable of shape ",
                node_->value.shape());
  node_->value = std::move(value);
}

void Var::backward(const Tensor& dy) const {
  if (!node_ || !node_->backward)
    throw Error(Error::Kind::usage, "backward: ",
                node_ && node_->walked ? "this graph was walked before and is freed; compute the value again"
                                       : "nothing was recorded for this value");
  if (!(dy.shape() == node_->value.shape()))
    throw Error(Error::Kind::shape, "backward: gradient ", dy.shape(), " for a value of shape ",
                node_->value.shape());
  // Children before parents, without recursion: depth is bounded by memory, not by the stack.
  std::vector<std::shared_ptr<Node>> order;
  std::unordered_set<Node*> seen{node_.get()};
  std::vector<std::pair<std::shared_ptr<Node>, size_t>> path{{node_, 0}};
  while (!path.empty()) {
    auto& [node, next] = path.back();
    if (next == node->inputs.size()) {
      order.push_back(node);
      path.pop_back();
      continue;
    }
    const std::shared_ptr<Node>& input = node->inputs[next++].node_;
    if (!input || !input->needs_grad || !seen.insert(input.get()).second) continue;
    if (input->walked)
      throw Error(Error::Kind::usage, "backward: a part of this graph was walked before and is freed");
    path.emplace_back(input, 0);
  }
  node_->grad = dy;
  while (!order.empty()) {
    const std::shared_ptr<Node> node = std::move(order.back());
    order.pop_back();
    if (!node->backward) continue;  // a leaf keeps its gradient
    const std::vector<Tensor> grads = node->backward(node->grad);
    if (grads.size() != node->inputs.size())
      throw Error(Error::Kind::shape, "backward: a closure returned ", grads.size(), " gradients for ",
                  node->inputs.size(), " inputs");
    for (size_t i = 0; i < grads.size(); ++i) {
      Node* input = node->inputs[i].node_.get();
      if (!grads[i] || !input || !input->needs_grad) continue;
      if (!(grads[i].shape() == input->value.shape()))
        throw Error(Error::Kind::shape, "backward: gradient ", grads[i].shape(), " for an input of shape ",
                    input->value.shape());
      // Out of place: one tensor may be the gradient of two inputs.
      input->grad = input->grad ? add(input->grad, grads[i]) : grads[i];
    }
    node->walked = true;
    node->grad = {};
    node->backward = nullptr;
    node->inputs.clear();
  }
}

}  // namespace sr
