// A training from data set to weights: steps, validation, checkpoints, logs, and a report at the end.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "distributed/ranks.h"
#include "training/trainer.h"

namespace sr {

struct TrainingOptions {
  std::string data_path;  ///< what create_training_dataset wrote
  std::string out_path;   ///< gets xFACTOR/{ckpts, Log, history.jsonl, report.html}
  int factor = 2;
  int64_t tile_size_w = 0, tile_size_h = 0;  ///< that the data set must have been made with; 0 = any
  std::string restore_path;                  ///< go on from the newest checkpoint in here; empty = train anew
  std::string start_path;       ///< take the weights that fit from a network in here; empty = random ones
  std::string network = "idn";  ///< or "span"; of a new training, as are the options of both
  int num_FB_layers = 2, num_Dist_blocks = 4;  ///< of IDN; a restored one has its own
  bool compression_activation = true;
  SpanOptions span = {.branches = true};  ///< likewise
  std::string base = "bicubic";           ///< or "none"; likewise
  double upsampler_deviation = 0;         ///< of the upsampler's first weights; 0 = He's
  TrainerOptions trainer;
  int64_t batch_size = 16, patch_size = 24;  ///< of a new training; a restored one has its own
  uint64_t seed = 1;
  bool shuffle = true;
  int64_t nepochs = 3;     ///< in all, those before a restore included
  double max_seconds = 0;  ///< of training in all, those before a restore included; 0 = as the epochs take
  int64_t validation_steps = 0;  ///< steps from one validation and checkpoint to the next; 0 = an epoch
  int64_t num_validation_tiles = 20;
  int64_t num_img_viz = 2;  ///< validation tiles that are shown in logs and report
  std::vector<std::pair<std::string, std::string>> told;  ///< options as the user gave them, for the report
  std::vector<std::string> given;  ///< names of those that were given: a restored training must agree
};

/// Where a training stands.
struct TrainingProgress {
  int64_t step = 0, all_steps = 0, epoch = 0;  ///< steps done; all_steps by the epochs
  double seconds = 0, seconds_left = 0;        ///< of training; the estimate by epochs or max_seconds
  double all_seconds = 0;                      ///< max_seconds where that ends it first, as it looks; else 0
  double loss = 0;                             ///< mean since the last history point
  StepResult last;
  double pixels_per_second = 0;  ///< fine pixels trained on
};

/// On a GPU `say` is called by another thread than the others.
struct TrainingEvents {
  std::function<void(const std::string& text)> say = [](const std::string&) {};
  std::function<void(const TrainingProgress&)> progress = [](const TrainingProgress&) {};
  std::function<bool()> stop = [] { return false; };  ///< true: save and stop
};

/// Trains until the epochs or the seconds are over, or `stop` says so; then the last state is saved. Same
/// seed, data and options give the same checkpoints bit by bit, for any number of threads and with restores
/// in between, unless max_seconds is given. Returns the newest checkpoint. Errors: those of Dataset,
/// Trainer, EventLog; usage (options contradict the data set, or given ones the restored training; the output
/// folder holds another training).
std::string train(const TrainingOptions& options, const TrainingEvents& events);
/// The same by several processes, each called with the same options: on the processor they come to the bits
/// of one, on GPUs to those of as many processes. The first validates, and writes all that is written.
/// Errors: also those of Ranks and of Trainer::share_steps(); io (the processes' weights differ).
std::string train(const TrainingOptions& options, const TrainingEvents& events, Ranks& ranks);

}  // namespace sr
