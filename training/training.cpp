#include "training/training.h"

#include <omp.h>
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <span>
#include <sstream>

#include "idn/checkpoint_files.h"
#include "io/crc32c.h"
#include "io/formats/event_log.h"
#include "io/output_file.h"
#include "tensor/cuda/device.h"
#include "tensor/error.h"
#include "tensor/on_cuda.h"
#include "training/background.h"
#include "training/patch_stream.h"
#include "training/report/history.h"
#include "training/report/pictures.h"
#include "training/report/report.h"
#include "training/start.h"
#include "training/validation.h"

namespace sr {
namespace {

constexpr int64_t kHistorySteps = 100;            // between two points of the curves
constexpr size_t kNewestCheckpoints = 5;          // that are kept
constexpr double kSecondsBetweenKept = 2 * 3600;  // of the older ones

// Where a GPU computes, which goes through a data set in seconds: tiles that are kept in memory, and threads
// that cut patches; as many validate.
constexpr int64_t kCacheBytesForGpu = int64_t{4} << 30;

int threads_beside_gpu() {
  return std::clamp(omp_get_max_threads() / 4, 1, 4);
}

std::string in_folder(const TrainingOptions& o, const char* name) {
  return (std::filesystem::path(factor_folder(o.out_path, o.factor)) / name).string();
}

// Of all its numbers.
std::string checksum_of(const Checkpoint& checkpoint) {
  uint32_t sum = 0;
  for (const auto& [name, tensor] : checkpoint.tensors)
    sum = crc32c(std::as_bytes(std::span(tensor.data(), static_cast<size_t>(tensor.shape().size()))), sum);
  return std::to_string(sum);
}

class Training {
 public:
  Training(const TrainingOptions& options, const TrainingEvents& events, Ranks& ranks)
      : o_(options),
        events_(events),
        ranks_(ranks),
        data_(options.data_path, options.factor, on_gpu() ? kCacheBytesForGpu : Dataset::kCacheBytes),
        judged_on_(judged_on(options)),
        trainer_(start_training(o_, data_.info(), best_psnr_, events_.say)),
        validation_(data_, options.num_validation_tiles, options.trainer) {
    check(o_, data_.info());
    if (validation_.size() == 0)
      throw Error(Error::Kind::usage, o_.data_path, ": none of its tiles for validation has ",
                  Validation::least_side(o_.factor), " x ", Validation::least_side(o_.factor),
                  " pixels, which SSIM wants at factor ", o_.factor,
                  "; make it anew of larger images, with larger tiles");
    if (!ranks_.alone()) share_with_others();
    if (ranks_.first()) {
      newest_ = checkpoint_name(o_.out_path, o_.factor, trainer_.steps());  // makes the folders
      history_.emplace(in_folder(o_, "history.jsonl"), trainer_.steps());
      log_.emplace(in_folder(o_, "Log"), trainer_.steps() + 1);
      seconds_before_ = history_->points().empty() ? 0 : history_->points().back().seconds;
      seconds_at_sum_ = seconds_before_;
    }
    stream_.emplace(data_,
                    PatchOptions{.patch_size = o_.patch_size,
                                 .batch_size = o_.batch_size,
                                 .own = images_of_rank(o_.batch_size, ranks_.rank(), ranks_.size()),
                                 .seed = o_.seed,
                                 .shuffle = o_.shuffle,
                                 .means = trainer_.model().means,
                                 .base = trainer_.model().options().base},
                    trainer_.steps(), o_.trainer.device, on_gpu() ? threads_beside_gpu() : 1);
    all_steps_ = o_.nepochs * stream_->batches_per_epoch();
  }

  std::string run() {
    describe();
    if (trainer_.steps() == 0 && ranks_.first()) save(trainer_.checkpoint(), 0);
    if (on_gpu()) work_beside_gpu();
    agree();
    start_ = Clock::now();
    bool validated = false;
    const bool over = finished();  // before it was restored
    std::string outcome = "finished";
    while (!finished()) {
      told([&] { trainer_.begin(stream_->next(), progress()); });
      finish_steps(trainer_.ahead());
      told([&] { agree(); });
      const bool stop = ranks_.alone() ? events_.stop() : word_.stop;
      const int64_t each = o_.validation_steps > 0 ? o_.validation_steps : stream_->batches_per_epoch();
      validated = !stop && (finished() || begun() % each == 0);
      const bool point = begun() % kHistorySteps == 0;
      if (stop || validated || point) finish_steps(0);
      if (stop) {
        outcome = "stopped after " + std::to_string(trainer_.steps()) + " steps; --restore goes on";
        break;
      }
      if (validated)
        validate_and_save();
      else if (point)
        beside([this, p = next_point()] { record(p); });
    }
    if (over && is_told()) {
      events_.say(nothing_left());
      return newest_;
    }
    if (!validated && outcome == "finished") {  // over at the start, or by time just now
      finish_steps(0);
      validate_and_save();
    }
    wait_for_the_rest();
    if (outcome != "finished") {
      if (steps_in_sum_ > 0) beside([this, p = next_point()] { record(p); });
      beside([this] { save(trainer_.checkpoint(), trainer_.steps()); });
      wait_for_the_rest();
    }
    if (ranks_.first()) write_the_report(outcome);
    if (outcome == "finished") outcome += " after " + std::to_string(trainer_.steps()) + " steps: " + newest_;
    events_.say(over ? nothing_left() : outcome);
    return newest_;
  }

 private:
  using Clock = std::chrono::steady_clock;

  bool on_gpu() const { return o_.trainer.device == Device::cuda; }

  double seconds() const {
    return seconds_before_ + std::chrono::duration<double>(Clock::now() - start_).count();
  }
  int64_t begun() const { return trainer_.steps() + trainer_.under_way(); }
  double share_of_steps() const { return static_cast<double>(begun()) / static_cast<double>(all_steps_); }
  double share_of_time() const { return o_.max_seconds > 0 ? seconds() / o_.max_seconds : 0; }
  double progress() const {
    return ranks_.alone() ? std::max(share_of_steps(), share_of_time()) : word_.progress;
  }
  bool finished() const {
    return ranks_.alone() ? begun() >= all_steps_ || share_of_time() >= 1 : word_.finished;
  }

  // What goes by the first one's clock, or by a signal to any, of several processes.
  struct Word {
    double progress = 0;
    bool stop = false, finished = false;
  };
  void agree() {
    if (ranks_.alone()) return;
    word_.stop = ranks_.any(events_.stop());
    word_.progress = std::max(share_of_steps(), share_of_time());
    word_.finished = begun() >= all_steps_ || share_of_time() >= 1;
    ranks_.broadcast(&word_, sizeof word_);
  }

  void share_with_others() {
    const std::string way = trainer_.share_steps(ranks_, o_.batch_size);
    if (!way.empty()) events_.say(way);
    ranks_.same("checksum of the data set\t" +
                checksum_of_file(factor_folder(o_.data_path, o_.factor) + "/manifest.json") +
                "\nchecksum of weights and state\t" + checksum_of(trainer_.checkpoint()) + "\n");
  }

  // Whether the history ends with a validation of these weights, as that of a training that was over does.
  bool is_told() {
    bool told = false;
    if (ranks_.first()) {
      const std::vector<HistoryPoint>& points = history_->points();
      told = !points.empty() && points.back().step == trainer_.steps() && points.back().psnr &&
             std::filesystem::exists(newest_);
    }
    return ranks_.alone() ? told : ranks_.any(told);
  }

  std::string nothing_left() const {
    std::ostringstream text;
    text << "nothing left to do: ";
    if (trainer_.steps() >= all_steps_)
      text << trainer_.steps() << " steps are done, --nepochs " << o_.nepochs << " asks for " << all_steps_
           << "; use a larger --nepochs";
    else
      text << o_.max_seconds << " seconds of training are done; use a larger --max_seconds";
    return text.str();
  }

  void describe() const {
    const DatasetInfo& d = data_.info();
    events_.say(std::to_string(trainer_.model().params->count()) + " parameters, x" +
                std::to_string(d.factor) + ", " + std::to_string(d.training_tiles) + " tiles for training, " +
                std::to_string(d.validation_tiles) + " for validation, " +
                std::to_string(stream_->batches_per_epoch()) + " batches of " +
                std::to_string(o_.batch_size) + " patches an epoch");
  }

  // Until so many are under way.
  void finish_steps(int64_t left) {
    while (trainer_.under_way() > left) finish_step();
  }

  // An error of a step says which checkpoint is the last, when all that were begun are written.
  template <class F>
  void told(F step) {
    try {
      step();
    } catch (const Error& e) {
      try {
        wait_for_the_rest();
      } catch (const Error&) {  // the step's is the first
      }
      if (!ranks_.first()) throw;
      throw Error(e.kind(), e.what(), "; the last checkpoint is ", newest_);
    }
  }

  void finish_step() {
    const Clock::time_point begin = Clock::now();
    told([&] { last_ = trainer_.finish(); });
    ranks_.allow(0.5 + 2 * std::chrono::duration<double>(Clock::now() - begin).count());
    loss_sum_ += last_.loss;
    ++steps_in_sum_;
    const double now = seconds(), share = progress();
    events_.progress({.step = trainer_.steps(),
                      .all_steps = all_steps_,
                      .epoch = trainer_.steps() / stream_->batches_per_epoch(),
                      .seconds = now,
                      .seconds_left = share > 0 ? now / share * (1 - std::min(share, 1.0)) : 0,
                      .all_seconds = share_of_time() > share_of_steps() ? o_.max_seconds : 0,
                      .loss = loss_sum_ / static_cast<double>(steps_in_sum_),
                      .last = last_,
                      .pixels_per_second = pixels_per_second(now)});
  }

  double pixels_per_second(double now) const {
    const int64_t side = o_.patch_size * o_.factor;
    const auto pixels = static_cast<double>(steps_in_sum_ * o_.batch_size * side * side);
    return pixels / std::max(1e-6, now - seconds_at_sum_);
  }

  // What is done beside the steps where a GPU computes them, else before they go on; of several processes by
  // the first.
  void beside(Background::Work work) {
    if (!ranks_.first()) return;
    if (beside_)
      beside_->add(std::move(work));
    else
      work();
  }

  void work_beside_gpu() {
    beside_.emplace();
    if constexpr (cuda::kBuilt)
      beside_->add([gpu = cuda::device_index(), threads = threads_beside_gpu()] {
        cuda::use_device(gpu);
        omp_set_num_threads(threads);
      });
  }

  void wait_for_the_rest() {
    if (beside_) beside_->wait();
  }

  // The next point of the curves, from the steps since the last one.
  HistoryPoint next_point() {
    const double now = seconds();
    HistoryPoint p;
    p.step = trainer_.steps();
    p.epoch = p.step / stream_->batches_per_epoch();
    p.seconds = now;
    p.learning_rate = last_.rate;
    p.train_loss = steps_in_sum_ > 0 ? loss_sum_ / static_cast<double>(steps_in_sum_) : std::nan("");
    p.pixels_per_second = pixels_per_second(now);
    loss_sum_ = 0, steps_in_sum_ = 0;
    seconds_at_sum_ = now;
    return p;
  }

  void record(const HistoryPoint& p) {
    const auto log = [&](const char* tag, const std::optional<double>& value) {
      if (value) log_->scalar(tag, p.step, *value);
    };
    log("train/loss", p.train_loss);
    log("train/learning_rate", p.learning_rate);
    log("train/pixels_per_second", p.pixels_per_second);
    log("validation/loss", p.validation_loss);
    log("validation/psnr", p.psnr);
    log("validation/ssim", p.ssim);
    log("validation/bicubic_psnr", p.bicubic_psnr);
    log("validation/bicubic_ssim", p.bicubic_ssim);
    log("validation/spectral_angle", p.spectral_angle);
    log("validation/bicubic_spectral_angle", p.bicubic_spectral_angle);
    log_->flush();
    history_->add(p);
  }

  void show(const ValidatedTile& tile, int64_t step) {
    if (std::ssize(pictures_) >= o_.num_img_viz) return;
    const ReportPictures& shown = pictures_.emplace_back(
        pictures_of("validation tile " + std::to_string(tile.index), tile.gt, tile.bicubic, tile.result));
    const std::string tag = "validation_" + std::to_string(tile.index) + "/";
    log_->image(tag + "gt", step, shown.gt);
    log_->image(tag + "bicubic", step, shown.bicubic);
    log_->image(tag + "result", step, shown.result);
    log_->image(tag + "bicubic_residual", step, shown.bicubic_residual);
    log_->image(tag + "result_residual", step, shown.result_residual);
  }

  // One at a time: the next waits, so that no more than one state is held.
  void validate_and_save() {
    wait_for_the_rest();
    const Checkpoint now = trainer_.checkpoint();
    if (!ranks_.alone())
      told([&] {
        ranks_.same("checksum of the weights after step " + std::to_string(trainer_.steps()) + "\t" +
                    checksum_of(now));
      });
    beside([this, point = next_point(), state = now] { validate_and_save(point, state); });
    if (!ranks_.alone()) told([&] { ranks_.wait_for_first(); });
    seconds_at_sum_ = seconds();
  }

  void validate_and_save(HistoryPoint p, const Checkpoint& state) {
    Model model = Model::from_checkpoint(state, newest_);
    model.to(o_.trainer.device);
    pictures_.clear();
    const ValidationResult v = validation_(model, [&](const ValidatedTile& tile) { show(tile, p.step); });
    p.validation_loss = v.loss;
    p.psnr = v.idn.psnr, p.ssim = v.idn.ssim;
    p.bicubic_psnr = v.bicubic.psnr, p.bicubic_ssim = v.bicubic.ssim;
    if (model.nchan() > 1) p.spectral_angle = v.angle, p.bicubic_spectral_angle = v.bicubic_angle;
    record(p);
    const bool best = v.idn.psnr > best_psnr_;
    if (best) best_psnr_ = v.idn.psnr;
    // First: a checkpoint that tells of a best one must not be without it, whenever the program ends.
    if (best) save_training(best_checkpoint(o_), state, notes());
    save(state, p.step);
    char text[160], angle[64] = "";
    if (p.spectral_angle)
      std::snprintf(angle, sizeof angle, ", spectral angle %.3f degrees (%.3f)", v.angle, v.bicubic_angle);
    std::snprintf(text, sizeof text, "step %lld: validation PSNR %.3f (bicubic %.3f), SSIM %.4f (%.4f)%s%s",
                  static_cast<long long>(p.step), v.idn.psnr, v.bicubic.psnr, v.idn.ssim, v.bicubic.ssim,
                  angle, best ? ", best so far" : "");
    events_.say(text);
  }

  std::string notes() const {
    return to_text({.best_psnr = best_psnr_,
                    .judged_on = judged_on_,
                    .batch_size = o_.batch_size,
                    .patch_size = o_.patch_size});
  }

  void save(const Checkpoint& state, int64_t step) {
    newest_ = checkpoint_name(o_.out_path, o_.factor, step);
    save_training(newest_, state, notes());
    remove_old_checkpoints(o_.out_path, o_.factor, kNewestCheckpoints, kSecondsBetweenKept);
  }

  void write_the_report(const std::string& outcome) const {
    Report report;
    report.title = "Training of IDN x" + std::to_string(o_.factor);
    report.options = o_.told;
    report.history = history_->points();
    report.pictures = pictures_;
    report.outcome = outcome;
    write_report(in_folder(o_, "report.html"), report);
  }

  TrainingOptions o_;
  const TrainingEvents& events_;
  Ranks& ranks_;
  Word word_;
  Dataset data_;
  std::string judged_on_;
  double best_psnr_ = -1;
  Trainer trainer_;
  Validation validation_;
  std::optional<TrainingHistory> history_;
  std::optional<PatchStream> stream_;
  std::optional<EventLog> log_;
  int64_t all_steps_ = 0;
  std::string newest_;
  Clock::time_point start_ = Clock::now();
  double seconds_before_ = 0;
  StepResult last_;
  double loss_sum_ = 0, seconds_at_sum_ = 0;
  int64_t steps_in_sum_ = 0;
  std::vector<ReportPictures> pictures_;
  std::optional<Background> beside_;  // last: it uses the others
};

}  // namespace

std::string train(const TrainingOptions& options, const TrainingEvents& events) {
  Ranks alone;
  return train(options, events, alone);
}

std::string train(const TrainingOptions& options, const TrainingEvents& events, Ranks& ranks) {
  return Training(options, events, ranks).run();
}

}  // namespace sr
