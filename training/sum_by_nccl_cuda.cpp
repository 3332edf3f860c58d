#include "training/sum_by_nccl_cuda.h"

#include "tensor/image_tree.h"
#include "tensor/ops/pointwise_cuda.h"

namespace sr::cuda {
namespace {

using Transfer = NcclRanks::Transfer;
using Kind = Transfer::Kind;

// A tree whose leaves are processes.
std::vector<SumStep> steps_of(const Ranks& ranks) {
  return rank_tree(kImagesOfALeaf * ranks.size(), ranks.rank(), ranks.size()).steps;
}

}  // namespace

SumByNccl::SumByNccl(NcclRanks& nccl, const GradientBlock& block)
    : nccl_(nccl), steps_(steps_of(nccl.ranks())) {
  for (const SumStep& step : steps_)
    if (step.kind == SumStep::Kind::receive_add)
      others_.emplace_back(Shape{1, 1, 1, block.count()}, DType::f32, Device::cuda);
}

// Up the tree, in which a process's last step is to send unless it is the first, and down again. What is
// received and what is sent goes in turns: nothing waits for both.
void SumByNccl::start(GradientBlock& block) {
  const int64_t count = block.count();
  const Queue here = queue();
  std::vector<Transfer> up, down;
  for (const SumStep& step : steps_)
    if (step.kind == SumStep::Kind::receive_add)
      up.push_back({Kind::receive, step.other, static_cast<float*>(others_[up.size()].address()), count});
  nccl_.start(up, here.stream);
  for (const Transfer& other : up)
    finish(here, DType::f32, count, 1, {block.numbers(), 1}, {other.numbers, 1}, {}, 1, {block.numbers(), 1});
  if (const int parent = nccl_.ranks().parent(); parent >= 0) {
    nccl_.start({{{Kind::send, steps_.back().other, block.numbers(), count}}}, here.stream);
    nccl_.start({{{Kind::receive, parent, block.numbers(), count}}}, here.stream);
  }
  for (const int child : nccl_.ranks().children())
    down.push_back({Kind::send, child, block.numbers(), count});
  nccl_.start(down, here.stream);
}

void SumByNccl::wait() {
  here_.record();
  wait_for(here_);
}

void SumByNccl::wait_for(Event& event) {
  nccl_.wait_until([&] { return event.passed(); });
}

}  // namespace sr::cuda
