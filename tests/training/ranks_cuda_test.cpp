// Training steps on GPUs that several processes share: here threads, to which one MPI of their own carries
// messages.
#include <gtest/gtest.h>

#include <cstring>
#include <deque>
#include <limits>
#include <list>
#include <mutex>
#include <thread>

#include "tensor/cuda/device.h"
#include "tests/support/expect_error.h"
#include "tests/training/small_steps.h"

namespace sr {
namespace {

using cuda::Precision;

constexpr int64_t kBatch = 6;
constexpr uint64_t kSteps = 3;

// What has been sent and not taken, and where it is to go.
struct Message {
  int from, to, tag;
  std::string bytes;
};
struct Place {
  void* data;
  int from, tag;
};
struct Post {
  std::mutex mutex;
  std::list<Message> messages;
  std::deque<Place> places;
  int size = 0;
} post;
thread_local int t_rank;

const MpiModule kPost{
    .init = [](int* rank, int* size) { return *rank = t_rank, *size = post.size, 0; },
    .isend =
        [](const void* data, int bytes, int to, int tag, long long* request) {
          const std::lock_guard lock(post.mutex);
          post.messages.push_back(
              {t_rank, to, tag, {static_cast<const char*>(data), static_cast<size_t>(bytes)}});
          *request = -1;
          return 0;
        },
    .irecv =
        [](void* data, int, int from, int tag, long long* request) {
          const std::lock_guard lock(post.mutex);
          *request = std::ssize(post.places);
          post.places.push_back({data, from, tag});
          return 0;
        },
    .test =
        [](long long* request, int* done) {
          const std::lock_guard lock(post.mutex);
          *done = *request < 0;
          if (*done) return 0;
          const Place place = post.places[static_cast<size_t>(*request)];
          const auto message = std::ranges::find_if(post.messages, [&](const Message& m) {
            return m.to == t_rank && m.tag == place.tag && (place.from < 0 || m.from == place.from);
          });
          if (message == post.messages.end()) return 0;
          std::memcpy(place.data, message->bytes.data(), message->bytes.size());
          post.messages.erase(message);
          *done = 1;
          return 0;
        },
    .text = [](int, char* to, int) { *to = 0; },
    .abort = [](int) { std::abort(); },
    .finalize = [] { return 0; }};

// f in so many threads.
void as_ranks(int size, const std::function<void(Ranks&)>& f) {
  post.messages.clear(), post.places.clear(), post.size = size;
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank)
    threads.emplace_back([&, rank] {
      t_rank = rank;
      Ranks ranks(kPost, [] { return false; });
      f(ranks);
    });
  for (std::thread& thread : threads) thread.join();
}

// One layer of each kind.
Model tiny_model() {
  NetworkOptions o;
  o.num_FB_layers = 1, o.num_Dist_blocks = 0;
  return Model(o, 5);
}

// A batch of its own: a GPU's step copies the whole memory.
TrainingBatch part_of(const TrainingBatch& batch, const Ranks& ranks) {
  const Images own = images_of_rank(kBatch, ranks.rank(), ranks.size());
  const TrainingBatch there = batch.images(own.begin, own.end);
  TrainingBatch part(there.down.shape(), 2);
  for (const auto& [from, to] :
       {std::pair{&there.gt, &part.gt}, {&there.base, &part.base}, {&there.down, &part.down}})
    std::copy_n(from->data(), from->shape().size(), to->data());
  return part;
}

using Batches = std::function<TrainingBatch(uint64_t step)>;

TrainingBatch whole_batch(uint64_t step) {
  return batch_of(step, kBatch, 6);
}

struct Trained {
  Checkpoint checkpoint;
  StepResult last;
};

// What each of so many has come to after some steps with their parts of the batches.
std::vector<Trained> trained_by(int size, const Model& start, const TrainerOptions& o,
                                const Batches& batches = whole_batch) {
  std::vector<Trained> all(static_cast<size_t>(size));
  as_ranks(size, [&](Ranks& ranks) {
    Trainer trainer(Model::from_checkpoint(start.to_checkpoint(), "start"), o);
    trainer.share_steps(ranks, kBatch);
    Trained& mine = all[static_cast<size_t>(ranks.rank())];
    for (uint64_t t = 0; t < kSteps; ++t) mine.last = trainer.step(part_of(batches(t), ranks), 0);
    mine.checkpoint = trainer.checkpoint();
  });
  return all;
}

std::string bytes_of(const Trained& trained) {
  const TestFolder folder;
  save_checkpoint(folder / "c.sr", trained.checkpoint);
  return text_of_file(folder / "c.sr");
}

class RanksOnGpu : public testing::Test {
 protected:
  ~RanksOnGpu() override { cuda::set_precision(Precision::fp32); }
};

// Alone the sum is what it was, so that only its way is another.
TEST_F(RanksOnGpu, TheWayThroughTheHostsMemoryKeepsBits) {
  for (const Precision precision : {Precision::fp16, Precision::tf32}) {
    cuda::set_precision(precision);
    TrainerOptions o = options(Device::cuda);
    o.clip_norm = 0.1;
    o.rate_multipliers = true;
    Trainer recorded(tiny_model(), o), through(tiny_model(), o);
    Ranks alone;
    through.share_steps(alone, 2);
    EXPECT_EQ(through.ahead(), 0);
    for (int i = 0; i < 2; ++i) {
      const StepResult a = step(recorded), b = step(through);
      EXPECT_EQ(b.loss, a.loss);
      EXPECT_EQ(b.gradient_norm, a.gradient_norm);
    }
    EXPECT_TRUE(bytes_of(through) == bytes_of(recorded)) << cuda::name_of(precision);
  }
}

// Of two and four images, whose sums are rounded elsewhere; Adam's first steps go as far for small gradients
// as for large ones.
TEST_F(RanksOnGpu, TheSameNumberGivesTheSameBitsInAllAndNearlyThoseOfOne) {
  TrainerOptions o = options(Device::cuda);
  Trainer one(tiny_model(), o);
  StepResult last;
  for (uint64_t t = 0; t < kSteps; ++t) last = one.step(whole_batch(t), 0);
  for (const int size : {2, 3}) {
    const std::vector<Trained> all = trained_by(size, tiny_model(), o);
    const std::string first = bytes_of(all[0]);
    for (const Trained& other : all) {
      EXPECT_TRUE(bytes_of(other) == first) << size;
      EXPECT_NEAR(other.last.loss, last.loss, 1e-5 * last.loss) << size;
      EXPECT_NEAR(other.last.gradient_norm, last.gradient_norm, 1e-4 * last.gradient_norm) << size;
    }
    EXPECT_TRUE(bytes_of(trained_by(size, tiny_model(), o)[0]) == first) << size << " once more";
    EXPECT_LT(difference(Model::from_checkpoint(all[0].checkpoint, "all"), one.model(), tiny_model()), 0.02)
        << size;
  }
}

// Their branches' gradients are of what is merged anew in each step.
TEST_F(RanksOnGpu, SpanToo) {
  TrainerOptions o = options(Device::cuda);
  Trainer one(small_span(), o);
  for (uint64_t t = 0; t < kSteps; ++t) one.step(whole_batch(t), 0);
  const std::vector<Trained> all = trained_by(2, small_span(), o);
  EXPECT_TRUE(bytes_of(all[1]) == bytes_of(all[0]));
  EXPECT_LT(difference(Model::from_checkpoint(all[0].checkpoint, "all"), one.model(), small_span()), 0.02);
}

// Gradients of 2e5 are infinite in fp16.
TEST_F(RanksOnGpu, WhatIsInfiniteInOneIsRepeatedWithASmallerFactorByAll) {
  cuda::set_precision(Precision::fp16);
  TrainerOptions o = options(Device::cuda);
  o.loss = Loss::l2;
  o.clip_norm = 0.5;
  const auto batches = [](uint64_t t) {
    TrainingBatch batch = whole_batch(t);
    TrainingBatch last = batch.images(kBatch - 2, kBatch);
    if (t == 1)
      for (int64_t i = 0; i < last.gt.shape().size(); ++i) last.gt.data()[i] += 1e5f;
    return batch;
  };
  const std::vector<Trained> all = trained_by(2, tiny_model(), o, batches);
  EXPECT_TRUE(bytes_of(all[1]) == bytes_of(all[0]));
}

TEST_F(RanksOnGpu, WhatIsNotFiniteInOneEndsTheStepInAll) {
  as_ranks(2, [](Ranks& ranks) {
    Trainer trainer(tiny_model(), options(Device::cuda));
    trainer.share_steps(ranks, kBatch);
    trainer.step(part_of(whole_batch(0), ranks), 0);
    const std::string before = bytes_of(trainer);
    TrainingBatch bad = part_of(whole_batch(1), ranks);
    if (ranks.rank() == 1) bad.gt.data()[7] = std::numeric_limits<float>::quiet_NaN();
    expect_error(Error::Kind::limit, "step 1 the loss is", [&] { trainer.step(bad, 0); });
    EXPECT_TRUE(bytes_of(trainer) == before);
    EXPECT_TRUE(std::isfinite(trainer.step(part_of(whole_batch(2), ranks), 0).loss));
  });
}

}  // namespace
}  // namespace sr
