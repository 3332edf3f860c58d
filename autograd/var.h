// Reverse-mode differentiation: a Var is a value that remembers how it was made.
#pragma once

#include <functional>
#include <memory>
#include <variant>
#include <vector>

#include "tensor/conv2d/conv2d.h"

namespace sr {

/// A value, its gradient, the Vars it was computed from, and one closure that turns the gradient of the value
/// into gradients of those. Copies of a Var are the same variable.
class Var {
 public:
  /// Takes the gradient of the value; returns one gradient per input in order, an empty tensor for "none".
  /// It may keep tensors, but not its own result as a Var (the graph would own itself).
  using Backward = std::function<std::vector<Tensor>(const Tensor& dy)>;

  /// A gradient for an input; or, on a GPU, the function that computes it, called when all the input's other
  /// gradients are there: what is added to it and the slope of a leaky ReLU cost no passes of their own then.
  using Gradient = std::variant<Tensor, std::function<Tensor(const Conv2dEnd&)>>;

  /// The leaky ReLU at the end of an operation on a GPU, whose closure takes the gradient before it, dz: the
  /// gradient of the value, dy, where `result` > 0, and leak * dy elsewhere.
  struct Activation {
    Tensor result{};        ///< none: no activation; dz is dy
    float leak = 1;         ///< slope where the result is not positive
    bool takes_dy = false;  ///< whether the closure uses dy as well; else it gets none
  };
  /// As Backward, of an operation with an activation at its end.
  using ActivatedBackward = std::function<std::vector<Gradient>(const Tensor& dy, const Tensor& dz)>;

  Var() = default;
  /// A leaf: data, or a parameter if needs_grad.
  explicit Var(Tensor value, bool needs_grad = false);
  /// The result of an operation. Inputs and closure are kept only if gradients are recorded and an input
  /// needs one; otherwise the inputs' memory is free as soon as the caller lets go of them.
  Var(Tensor value, std::vector<Var> inputs, const Backward& backward);
  /// The same with an activation at its end.
  Var(Tensor value, std::vector<Var> inputs, Activation activation, ActivatedBackward backward);

  /// A view of channels begin (inclusive) to end (exclusive), whose gradients are this variable's.
  Var channels(int64_t begin, int64_t end) const;

  explicit operator bool() const { return node_ != nullptr; }  ///< whether there is one
  const Tensor& value() const;                                 ///< what was computed, or given
  const Shape& shape() const { return value().shape(); }       ///< the value's
  bool needs_grad() const;                                     ///< whether backward() leaves a gradient
  /// Whether it was made of a tensor, not by an operation or as a view.
  bool is_leaf() const;

  /// The gradient that backward() left here; no tensor before the first one. Adds up over several graphs.
  const Tensor& grad() const;
  void clear_grad();  ///< no tensor again
  /// In place of what backward() left, such as a sum with others' gradients. Errors: shape (not the value's).
  void set_grad(Tensor gradient);
  /// Replaces the value of a leaf. Errors: shape (another one), usage (not a leaf).
  void set_value(Tensor value);

  /// Computes the gradient of sum(dy * value) for every Var that this one was made from and that needs it,
  /// and frees the graph on the way. Errors: shape (dy is not of the value's shape; a closure returned a
  /// wrong number or shape), usage (nothing was recorded, or the graph was walked before).
  void backward(const Tensor& dy) const {
    backward(dy, [](Var) {});
  }
  /// The same, and calls `complete` with each leaf as soon as its gradient is, in the graph's order.
  void backward(const Tensor& dy, const std::function<void(Var leaf)>& complete) const;

 private:
  struct Node;
  explicit Var(std::shared_ptr<Node> node);
  std::shared_ptr<Node> node_;
};

/// While one lives, operations on this thread record nothing.
class NoGrad {
 public:
  NoGrad();
  ~NoGrad();
  NoGrad(const NoGrad&) = delete;
  NoGrad& operator=(const NoGrad&) = delete;

 private:
  bool before_;
};

/// Whether operations on this thread record their inputs.
bool grad_enabled();

}  // namespace sr
