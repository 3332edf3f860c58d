#include "autograd/var.h"

#include <algorithm>
#include <map>
#include <unordered_set>
#include <utility>

#include "tensor/conv2d/conv2d_cuda.h"
#include "tensor/error.h"
#include "tensor/on_cuda.h"
#include "tensor/ops/pointwise.h"

namespace sr {
namespace {

thread_local bool recording = true;

using Gradient = Var::Gradient;

// A term of a value's gradient: that of channels begin .. end - 1.
struct Term {
  int64_t begin, end;
  Gradient gradient;
};

bool is_computed(const Term& term) {
  return std::holds_alternative<Tensor>(term.gradient);
}

Tensor ended(const Gradient& gradient, const Conv2dEnd& end) {
  if (const auto* compute = std::get_if<1>(&gradient)) return (*compute)(end);
  const Tensor& x = std::get<Tensor>(gradient);
  if constexpr (cuda::kBuilt) {
    if (end.mask || end.into || end.own) return cuda::finished(x, end);
  }
  return end.added.empty() ? x : add(end.added[0], x);
}

// The sum of terms of the same channels. What is not computed yet comes last, to add the others on its way.
Tensor sum_of(std::vector<Term> terms, const Conv2dEnd& end) {
  std::stable_partition(terms.begin(), terms.end(), is_computed);
  Tensor sum;
  for (size_t i = 0; i < terms.size(); ++i) {
    Conv2dEnd own = i + 1 == terms.size() ? end : Conv2dEnd{};
    if (sum) own.added = {sum};
    sum = ended(terms[i].gradient, own);
  }
  return sum;
}

using Ranges = std::map<int64_t, std::vector<Term>>;  // by their first channel

// Whether the ranges lie side by side and make up c channels.
bool make_up(const Ranges& ranges, int64_t c) {
  int64_t at = 0;
  for (const auto& [begin, terms] : ranges) {
    if (begin != at) return false;
    at = terms[0].end;
    for (const Term& term : terms)
      if (term.end != at) return false;
  }
  return at == c;
}

// The sum of terms of any channels of `like`: on a GPU each range is written where it belongs, if none
// overlap.
Tensor sum_of_ranges(const std::vector<Term>& terms, const Tensor& like, const Conv2dEnd& end) {
  const int64_t c = like.shape().c;
  Ranges ranges;
  for (const Term& term : terms) ranges[term.begin].push_back(term);
  if (like.device() == Device::cuda && make_up(ranges, c)) {
    Tensor sum(like.shape(), like.dtype(), like.device());
    for (auto& [begin, range] : ranges) {
      const int64_t last = range[0].end;
      Conv2dEnd own = end;
      if (end.mask) own.mask = end.mask.channels(begin, last);
      own.into = sum.channels(begin, last);
      sum_of(std::move(range), own);
    }
    return sum;
  }
  std::vector<Term> whole;
  for (const Term& term : terms) {
    const Tensor x = ended(term.gradient, {});
    whole.push_back({0, c, term.end - term.begin == c ? x : channels_grad(x, term.begin, c)});
  }
  return sum_of(std::move(whole), end);
}

}  // namespace

struct Var::Node {
  Tensor value, grad;
  bool needs_grad = false;
  bool walked = false;
  bool leaf = true;
  std::vector<Var> inputs;
  int64_t view_begin = -1;  // channels of the input from here on, without a closure
  Activation activation;
  ActivatedBackward backward;
  std::vector<Term> terms;  // of the gradient, until the walk comes here

  bool is_whole(const Term& term) const { return term.begin == 0 && term.end == value.shape().c; }

  // Computed terms of the same channels are added at once: the memory of one is enough.
  void receive(Term term) {
    for (Term& t : terms) {
      if (!is_computed(term) || !is_computed(t) || t.begin != term.begin || t.end != term.end) continue;
      t.gradient = add(std::get<Tensor>(t.gradient), std::get<Tensor>(term.gradient));
      return;
    }
    terms.push_back(std::move(term));
  }

  // The sum of the terms.
  Tensor gradient(const Conv2dEnd& end) {
    const std::vector<Term> all = std::exchange(terms, {});
    const bool whole = std::all_of(all.begin(), all.end(), [&](const Term& t) { return is_whole(t); });
    const Tensor sum = whole ? sum_of(all, end) : sum_of_ranges(all, value, end);
    if (sum && !(sum.shape() == value.shape()))
      throw Error(Error::Kind::shape, "backward: gradient ", sum.shape(), " for a value of shape ",
                  value.shape());
    return sum;
  }

  // The closure's gradients for the inputs.
  std::vector<Gradient> input_gradients() {
    const Conv2dEnd masked{.mask = activation.result, .leak = activation.leak};
    if (!activation.takes_dy) {
      const Tensor dz = gradient(masked);
      return backward(activation.result ? Tensor() : dz, dz);
    }
    if (terms.size() > 1 || is_computed(terms[0])) {
      const Tensor dy = gradient({});
      return backward(dy, ended(dy, masked));
    }
    Conv2dEnd both = masked;
    both.own = Tensor(value.shape(), value.dtype(), value.device());
    const Tensor dz = gradient(both);
    return backward(both.own, dz);
  }

  // Hands each input its gradient.
  void spread() {
    std::vector<Gradient> grads = input_gradients();
    if (grads.size() != inputs.size())
      throw Error(Error::Kind::shape, "backward: a closure returned ", grads.size(), " gradients for ",
                  inputs.size(), " inputs");
    for (size_t i = 0; i < grads.size(); ++i) {
      Node* input = inputs[i].node_.get();
      const auto* computed = std::get_if<Tensor>(&grads[i]);
      if (!input || !input->needs_grad || (computed && !*computed)) continue;
      if (computed && !(computed->shape() == input->value.shape()))
        throw Error(Error::Kind::shape, "backward: gradient ", computed->shape(), " for an input of shape ",
                    input->value.shape());
      input->receive({0, input->value.shape().c, std::move(grads[i])});
    }
  }

  // Hands the terms of a view's gradient to the variable that it is a view of.
  void pass_on() {
    for (Term& term : terms) {
      term.begin += view_begin, term.end += view_begin;
      inputs[0].node_->receive(std::move(term));
    }
    terms.clear();
  }

  void free() {
    walked = true;
    backward = nullptr;
    activation = {};
    inputs.clear();
  }
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

Var::Var(std::shared_ptr<Node> node) : node_(std::move(node)) {}

Var::Var(Tensor value, std::vector<Var> inputs, const Backward& backward)
    : Var(std::move(value), std::move(inputs), {}, [backward](const Tensor& dy, const Tensor&) {
        const std::vector<Tensor> grads = backward(dy);
        return std::vector<Gradient>(grads.begin(), grads.end());
      }) {}

Var::Var(Tensor value, std::vector<Var> inputs, Activation activation, ActivatedBackward backward)
    : Var(std::move(value)) {
  node_->leaf = false;
  const bool wanted = std::any_of(inputs.begin(), inputs.end(), [](const Var& v) { return v.needs_grad(); });
  if (!recording || !wanted) return;
  node_->needs_grad = true;
  node_->inputs = std::move(inputs);
  node_->activation = std::move(activation);
  node_->backward = std::move(backward);
}

Var Var::channels(int64_t begin, int64_t end) const {
  Var view(value().channels(begin, end));
  view.node_->leaf = false;
  if (!recording || !needs_grad()) return view;
  view.node_->needs_grad = true;
  view.node_->inputs = {*this};
  view.node_->view_begin = begin;
  return view;
}

const Tensor& Var::value() const {
  if (!node_) throw Error(Error::Kind::usage, "value of a variable: it has none");
  return node_->value;
}

bool Var::needs_grad() const {
  return node_ && node_->needs_grad;
}

bool Var::is_leaf() const {
  return node_ && node_->leaf;
}

const Tensor& Var::grad() const {
  if (!node_) throw Error(Error::Kind::usage, "gradient of a variable: it has no value");
  return node_->grad;
}

void Var::clear_grad() {
  if (!node_) return;
  node_->grad = {};
  node_->terms.clear();  // of a backward pass that an error ended
}

void Var::set_grad(Tensor gradient) {
  if (!(gradient.shape() == shape()))
    throw Error(Error::Kind::shape, "set_grad: gradient ", gradient.shape(), " for a value of shape ",
                shape());
  node_->grad = std::move(gradient);
}

void Var::set_value(Tensor value) {
  if (!node_ || !node_->inputs.empty() || node_->walked)
    throw Error(Error::Kind::usage, "set_value: only a leaf's value can be replaced");
  if (!(value.shape() == node_->value.shape()))
    throw Error(Error::Kind::shape, "set_value: shape ", value.shape(), " for a variable of shape ",
                node_->value.shape());
  node_->value = std::move(value);
}

void Var::backward(const Tensor& dy, const std::function<void(Var leaf)>& complete) const {
  if (!node_ || node_->inputs.empty())
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
  node_->terms.push_back({0, dy.shape().c, dy});
  while (!order.empty()) {
    const std::shared_ptr<Node> node = std::move(order.back());
    order.pop_back();
    if (node->view_begin >= 0) {
      node->pass_on();
    } else if (node->inputs.empty()) {  // a leaf keeps its gradient
      if (node->terms.empty()) continue;
      if (node->grad) node->receive({0, node->grad.shape().c, node->grad});
      node->grad = node->gradient({});
      complete(Var(node));
      continue;
    } else if (!node->terms.empty()) {
      node->spread();
    }
    node->free();
  }
}

}  // namespace sr
