#include "distributed/gradient_sum.h"

#include <algorithm>

#include "tensor/error.h"

namespace sr {
namespace {

constexpr int64_t kBucket =
    1 << 16;                      // numbers at least: a quarter of a megabyte takes longer than it is late
constexpr int64_t kAligned = 16;  // numbers: where things begin

int64_t round_up(int64_t size) {
  return (size + kAligned - 1) / kAligned * kAligned;
}

}  // namespace

GradientSum::GradientSum(Ranks& ranks, int64_t batch)
    : ranks_(ranks),
      tree_(rank_tree(batch, ranks.rank(), ranks.size())),
      places_{0},
      sums_(tree_.nodes.size()) {}

void GradientSum::begin_node(const std::vector<float>& values) {
  if (nodes_begun_ == 0 && laid_out_) start_step();
  ++nodes_begun_;
  place_ = 0;
  put(values.data(), std::ssize(values));
}

void GradientSum::give(Var leaf) {
  const Tensor gradient = leaf.grad().is_contiguous() ? leaf.grad() : leaf.grad().clone();
  leaf.clear_grad();
  put(gradient.data(), gradient.shape().size());
  expect_sum({std::move(leaf), {}});
}

void GradientSum::give(std::span<float> numbers) {
  put(numbers.data(), std::ssize(numbers));
  expect_sum({{}, numbers});
}

void GradientSum::expect_sum(Given given) {
  if (nodes_begun_ == tree_.nodes.size()) given_.push_back(std::move(given));
}

// The next thing of the node.
void GradientSum::put(const float* values, int64_t size) {
  std::vector<float>& sums = sums_[nodes_begun_ - 1];
  if (!laid_out_) {
    if (nodes_begun_ == 1) places_.push_back(places_.back() + round_up(size));
    sums.resize(static_cast<size_t>(places_.back()));
  }
  if (place_ + 1 >= places_.size() || places_[place_ + 1] - places_[place_] != round_up(size))
    throw Error(Error::Kind::usage, "sum of gradients: number ", place_, " has ", size,
                " values, which is not as in the first step");
  std::copy_n(values, size, sums.data() + places_[place_]);
  ++place_;
  if (laid_out_ && nodes_begun_ == tree_.nodes.size()) complete(place_);
}

// After the first step's nodes: buckets, and memory for what others send.
void GradientSum::lay_out() {
  Bucket bucket;
  for (size_t place = 1; place < places_.size(); ++place) {
    bucket.end = places_[place];
    bucket.last_place = place;
    if (bucket.end - bucket.begin < kBucket && place + 1 < places_.size()) continue;
    buckets_.push_back(bucket);
    bucket.begin = bucket.end;
  }
  for (const SumStep& step : tree_.steps)
    if (step.kind == SumStep::Kind::receive_add) others_.emplace_back(static_cast<size_t>(places_.back()));
  total_ = Tensor({1, 1, 1, places_.back()});
  laid_out_ = true;
}

// What others send has its place before it comes.
void GradientSum::start_step() {
  next_bucket_ = 0;
  for (size_t i = 0; i < buckets_.size(); ++i) {
    Bucket& b = buckets_[i];
    const int tag = Ranks::kFirstTag + static_cast<int>(i);
    const auto bytes = (b.end - b.begin) * static_cast<int64_t>(sizeof(float));
    b.step = 0, b.given = b.summed = false;
    b.received.clear(), b.sent.clear();
    for (const SumStep& step : tree_.steps)
      if (step.kind == SumStep::Kind::receive_add)
        b.received.push_back(
            ranks_.receive(others_[b.received.size()].data() + b.begin, bytes, step.other, tag));
    if (ranks_.parent() >= 0)
      b.received.push_back(ranks_.receive(total_.data() + b.begin, bytes, ranks_.parent(), tag));
  }
}

// So many things of the last node are there.
void GradientSum::complete(size_t places) {
  while (next_bucket_ < buckets_.size() && buckets_[next_bucket_].last_place <= places)
    buckets_[next_bucket_++].given = true;
  advance();
}

void GradientSum::advance() {
  for (size_t i = 0; i < next_bucket_; ++i)
    while (advance(buckets_[i], Ranks::kFirstTag + static_cast<int>(i))) {
    }
}

// One step farther, if it can be taken now.
bool GradientSum::advance(Bucket& b, int tag) {
  if (!b.given || b.summed) return false;
  if (b.step < tree_.steps.size()) {
    if (!take(b, tag, tree_.steps[b.step])) return false;
    ++b.step;
    return true;
  }
  if (ranks_.parent() < 0)
    std::copy(node(0) + b.begin, node(0) + b.end, total_.data() + b.begin);
  else if (!ranks_.done(b.received.back()))
    return false;
  for (const int child : ranks_.children())
    b.sent.push_back(ranks_.send(total_.data() + b.begin, (b.end - b.begin) * 4, child, tag));
  b.summed = true;
  return false;
}

// False: what it needs has not come yet.
bool GradientSum::take(Bucket& b, int tag, const SumStep& step) {
  float* const own = node(step.node);
  if (step.kind == SumStep::Kind::send) {
    b.sent.push_back(ranks_.send(own + b.begin, (b.end - b.begin) * 4, step.other, tag));
    return true;
  }
  const float* other = nullptr;
  if (step.kind == SumStep::Kind::add) {
    other = node(step.other);
  } else {
    const auto before = std::count_if(tree_.steps.begin(), tree_.steps.begin() + static_cast<int64_t>(b.step),
                                      [](const SumStep& s) { return s.kind == SumStep::Kind::receive_add; });
    const auto number = static_cast<size_t>(before);
    if (!ranks_.done(b.received[number])) return false;
    other = others_[number].data();
  }
  for (int64_t i = b.begin; i < b.end; ++i) own[i] += other[i];
  return true;
}

std::vector<float> GradientSum::finish() {
  if (nodes_begun_ != tree_.nodes.size() || place_ + 1 != places_.size())
    throw Error(Error::Kind::usage, "sum of gradients: ", place_, " things in the last of ", nodes_begun_,
                " nodes, want ", places_.size() - 1, " and ", tree_.nodes.size());
  if (!laid_out_) {
    lay_out();
    start_step();
    complete(place_);
  }
  ranks_.wait_until([&] {
    advance();
    return std::ranges::all_of(buckets_, [&](Bucket& b) {
      return b.summed && std::ranges::all_of(b.sent, [&](Ranks::Request& r) { return ranks_.done(r); });
    });
  });
  for (size_t i = 0; i < given_.size(); ++i) {
    auto& [leaf, numbers] = given_[i];
    if (leaf)
      leaf.set_grad(total_.part(places_[i + 1], leaf.shape()));
    else
      std::copy_n(total_.data() + places_[i + 1], numbers.size(), numbers.data());
  }
  given_.clear();
  nodes_begun_ = 0;
  const float* values = total_.data();
  return {values, values + places_[1]};
}

}  // namespace sr
