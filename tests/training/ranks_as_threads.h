// Training steps of several processes, which are threads here, to which one MPI of their own carries
// messages.
#pragma once

#include <algorithm>
#include <cstring>
#include <deque>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tensor/cuda/device.h"
#include "tests/training/small_steps.h"

namespace sr {

inline constexpr uint64_t kSteps = 3;

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
};
inline Post post;
inline thread_local int t_rank;

/// What MPI's end of all processes is to a thread.
struct Ended {};

inline const MpiModule kPost{
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
    .abort = [](int) { throw Ended(); },
    .finalize = [] { return 0; }};

// f in so many threads.
inline void as_ranks(int size, const std::function<void(Ranks&)>& f) {
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

// The part of a rank, as a batch of its own: a GPU's step copies the whole memory.
inline TrainingBatch part_of(const TrainingBatch& batch, const Ranks& ranks) {
  const Images own = images_of_rank(batch.gt.shape().n, ranks.rank(), ranks.size());
  const TrainingBatch there = batch.images(own.begin, own.end);
  TrainingBatch part(there.down.shape(), 2);
  for (const auto& [from, to] :
       {std::pair{&there.gt, &part.gt}, {&there.base, &part.base}, {&there.down, &part.down}})
    std::copy_n(from->data(), from->shape().size(), to->data());
  return part;
}

using Batches = std::function<TrainingBatch(uint64_t step)>;

/// Of six images.
inline TrainingBatch whole_batch(uint64_t step) {
  return batch_of(step, 6, 6);
}

struct Trained {
  Checkpoint checkpoint;
  StepResult last;
  std::string way;  // of the gradients
};

/// What each of so many has come to after some steps with their parts of the batches; each with a GPU of its
/// own, or all on the first.
inline std::vector<Trained> trained_by(int size, const Model& start, const TrainerOptions& o,
                                       const Batches& batches = whole_batch, bool own_gpus = false) {
  std::vector<Trained> all(static_cast<size_t>(size));
  as_ranks(size, [&](Ranks& ranks) {
    cuda::use_device(own_gpus ? ranks.rank() : 0);
    Trainer trainer(Model::from_checkpoint(start.to_checkpoint(), "start"), o);
    Trained& mine = all[static_cast<size_t>(ranks.rank())];
    mine.way = trainer.share_steps(ranks, batches(0).gt.shape().n);
    for (uint64_t t = 0; t < kSteps; ++t) {
      trainer.begin(part_of(batches(t), ranks), 0);
      if (trainer.under_way() > trainer.ahead()) mine.last = trainer.finish();
    }
    while (trainer.under_way() > 0) mine.last = trainer.finish();
    mine.checkpoint = trainer.checkpoint();
  });
  return all;
}

inline std::string bytes_of(const Trained& trained) {
  const TestFolder folder;
  save_checkpoint(folder / "c.sr", trained.checkpoint);
  return text_of_file(folder / "c.sr");
}

}  // namespace sr
