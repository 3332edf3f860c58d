// Trains the network on a data set that create_training_dataset wrote.
#include <cinttypes>
#include <map>
#include <regex>

#include "distributed/mpi_launch.h"
#include "distributed/placement.h"
#include "tensor/cuda/device.h"
#include "tensor/error.h"
#include "tensor/on_cuda.h"
#include "tools/program.h"
#include "tools/version.h"
#include "training/training.h"

namespace sr {
namespace {

constexpr const char* kName = "train_superres_net";

struct Options {
  TrainingOptions training;
  std::string pretrained_path, loss = "l1", schedule = "constant";
  bool restore = false, ssim_loss = false, no_shuffle = false, shuffle = false, debug = false;
  CommonOptions common;
};

void add_data_options(CLI::App& app, Options& o) {
  TrainingOptions& t = o.training;
  app.add_option("--data_path", t.data_path, "folder that create_training_dataset wrote")->required();
  app.add_option("--out_path", t.out_path,
                 "folder that gets xFACTOR/ckpts, Log, history.jsonl and report.html")
      ->required();
  app.add_option("--upsampling_factor", t.factor, "2, 3 or 4")
      ->check(CLI::Range(2, 4))
      ->capture_default_str();
  app.add_option("--tile_size_w", t.tile_size_w,
                 "width of the tiles that the data set must have been made with")
      ->check(positive());
  app.add_option("--tile_size_h", t.tile_size_h, "their height")->check(positive());
  app.add_option("--patch_size", t.patch_size, "side of the patches cut from tiles, in low-resolution pixels")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  app.add_option("--batch_size", t.batch_size,
                 "patches in a step (with --restore this and --patch_size are the checkpoint's)")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  auto* shuffle = app.add_flag("--shuffle", o.shuffle, "patches in random order (the default)");
  app.add_flag("--no_shuffle", o.no_shuffle, "patches in the order of the tiles")->excludes(shuffle);
  app.add_option("--seed", t.seed, "of first weights, order, places and flips")->capture_default_str();
}

void add_network_options(CLI::App& app, Options& o) {
  TrainingOptions& t = o.training;
  app.add_option("--pretrained_path", o.pretrained_path,
                 "where --restore finds the checkpoint (default: --out_path)");
  auto* restore = app.add_flag("--restore", o.restore, "go on from the newest checkpoint");
  app.add_option("--start_from", t.start_path,
                 "start from the weights of another network, of any factor (folder or checkpoint)")
      ->excludes(restore);
  app.add_option("--network", t.network,
                 "idn or span (with --restore this and the next seven are the checkpoint's)")
      ->check(CLI::IsMember({"idn", "span"}))
      ->capture_default_str();
  app.add_option("--num_FB_layers", t.num_FB_layers, "idn: layers of the feature extraction")
      ->capture_default_str();
  app.add_option("--num_Dist_blocks", t.num_Dist_blocks, "idn: distillation blocks")->capture_default_str();
  app.add_option("--compression_activation", t.compression_activation,
                 "idn: 1: leaky ReLU after each block's compression, as the paper; 0: none")
      ->capture_default_str();
  app.add_option("--channels", t.span.channels, "span: of the features, a multiple of 16")
      ->capture_default_str();
  app.add_option("--blocks", t.span.blocks, "span: blocks")->capture_default_str();
  app.add_option("--branches", t.span.branches,
                 "span: 1: 3x3 convolutions are trained as several, which are one when they are used; 0: as "
                 "one")
      ->capture_default_str();
  app.add_option(
         "--base", t.base,
         "what the network's result is added to: the bicubic enlargement, or none: it makes the image "
         "itself")
      ->check(CLI::IsMember({"bicubic", "none"}))
      ->capture_default_str();
  app.add_option("--upsampler_deviation", t.upsampler_deviation,
                 "standard deviation of the upsampler's first weights (0 = He's)")
      ->check(not_negative())
      ->capture_default_str();
}

void add_step_options(CLI::App& app, Options& o) {
  TrainerOptions& t = o.training.trainer;
  auto* loss = app.add_option("--loss", o.loss, "l1, l2 or ssim")
                   ->check(CLI::IsMember({"l1", "l2", "ssim"}))
                   ->capture_default_str();
  app.add_option("--spectral_angle", t.spectral_angle,
                 "times the mean angle between spectra (radians), added to the loss of a joint network")
      ->check(not_negative())
      ->capture_default_str();
  app.add_flag("--ssim_loss", o.ssim_loss, "the same as --loss ssim")->excludes(loss);
  app.add_option("--learning_rate", t.schedule.rate, "of Adam")->check(not_negative())->capture_default_str();
  app.add_option("--lr_schedule", o.schedule, "constant, step or cosine")
      ->check(CLI::IsMember({"constant", "step", "cosine"}))
      ->capture_default_str();
  app.add_option("--lr_step_length", t.schedule.step_length, "steps after which `step` multiplies the rate")
      ->check(positive())
      ->capture_default_str();
  app.add_option("--lr_step_factor", t.schedule.step_factor, "by which it does")
      ->check(positive())
      ->capture_default_str();
  app.add_option("--warmup_steps", t.schedule.warmup_steps, "steps in which the rate rises from zero")
      ->check(not_negative())
      ->capture_default_str();
  app.add_flag("--lr_multipliers", t.rate_multipliers,
               "biases and upsampler at a tenth of the rate, as the authors' solver");
  app.add_option("--weight_decay", t.adam.weight_decay, "times 0.5 |weights|^2, added to the loss")
      ->check(not_negative())
      ->capture_default_str();
  app.add_flag("--decoupled_weight_decay", t.adam.decoupled, "weight decay beside the gradient (AdamW)");
  app.add_option("--clip_norm", t.clip_norm, "longest gradient (Euclidean norm; 0 = any)")
      ->check(not_negative())
      ->capture_default_str();
  app.add_option("--ema_decay", t.ema_decay, "average of the weights, which is then what is used (0 = none)")
      ->check(CLI::Range(0.0, 0.999999))
      ->capture_default_str();
}

void add_run_options(CLI::App& app, Options& o) {
  TrainingOptions& t = o.training;
  app.add_option("--nepochs", t.nepochs, "epochs in all, those before --restore included")
      ->check(positive())
      ->capture_default_str();
  app.add_option("--max_seconds", t.max_seconds,
                 "stop after so many seconds of training in all (0 = no limit); the cosine schedule then "
                 "goes by time")
      ->check(not_negative())
      ->capture_default_str();
  app.add_option("--validation_steps", t.validation_steps,
                 "steps from one validation and checkpoint to the next (0 = an epoch)")
      ->check(not_negative())
      ->capture_default_str();
  app.add_option("--num_validation_tiles", t.num_validation_tiles, "validation tiles to look at")
      ->check(positive())
      ->capture_default_str();
  app.add_option("--num_img_viz", t.num_img_viz, "of those, how many are shown in logs and report")
      ->check(not_negative())
      ->capture_default_str();
  app.add_flag("--debug", o.debug, "print loss, gradient norm and rate of every step");
}

ScheduleKind schedule_kind(const std::string& name) {
  return name == "step"     ? ScheduleKind::step
         : name == "cosine" ? ScheduleKind::cosine
                            : ScheduleKind::constant;
}

// Options with the values that hold in this run, for the report.
std::vector<std::pair<std::string, std::string>> told(const CLI::App& app) {
  std::vector<std::pair<std::string, std::string>> all;
  for (const CLI::Option* option : app.get_options()) {
    const std::string name = option->get_name();
    if (name == "--help" || name == "--version" || name == "--quiet") continue;
    std::string value = option->get_default_str();
    if (option->count() > 0) value = option->get_expected_min() == 0 ? "yes" : option->results().back();
    if (!value.empty()) all.emplace_back(name, value);
  }
  return all;
}

std::vector<std::string> given(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options())
    if (option->count() > 0) names.push_back(option->get_name());
  return names;
}

void print_step(const TrainingProgress& p) {
  std::printf("step %" PRId64 "  loss %.6f  gradient norm %.4g  rate %.3g\n", p.step, p.last.loss,
              p.last.gradient_norm, p.last.rate);
}

// One line that is rewritten on a terminal and printed now and then elsewhere.
class TrainingLine {
 public:
  void operator()(const TrainingProgress& p) {
    const bool terminal = isatty(STDOUT_FILENO) != 0;
    if (p.seconds - last_ < (terminal ? 0.2 : 10)) return;
    last_ = p.seconds;
    std::printf("%s  %s, epoch %" PRId64 "  loss %.5f  rate %.2e  %.3f Mpixel/s  %.0f s left%s",
                terminal ? "\r" : "", done(p).c_str(), p.epoch, p.loss, p.last.rate,
                p.pixels_per_second * 1e-6, p.seconds_left, terminal ? "\033[K" : "\n");
    std::fflush(stdout);
  }

 private:
  // Counted by what ends the training.
  static std::string done(const TrainingProgress& p) {
    char text[96];
    if (p.all_seconds > 0)
      std::snprintf(text, sizeof text, "step %" PRId64 ", %.0f s of %.0f", p.step, p.seconds, p.all_seconds);
    else
      std::snprintf(text, sizeof text, "step %" PRId64 " of %" PRId64, p.step, p.all_steps);
    return text;
  }

  double last_ = 0;
};

// "" for a new training.
std::string restore_path(const Options& o) {
  if (o.restore) return o.pretrained_path.empty() ? o.training.out_path : o.pretrained_path;
  if (o.pretrained_path.empty()) return "";
  throw Error(Error::Kind::usage, "--pretrained_path ", o.pretrained_path,
              ": add --restore to go on with that training, or give --start_from ", o.pretrained_path,
              " instead to train anew from its weights");
}

// One for each process on a host, in turns.
void choose_gpu(Options& o, int number_on_host) {
  if constexpr (cuda::kBuilt) {
    const std::vector<int> gpus = cuda::usable_devices();
    o.common.device = "cuda:" + std::to_string(gpus[static_cast<size_t>(number_on_host) % gpus.size()]);
  }
}

// Threads for each process that was not told how many, its GPU, and a word on how they lie.
void place(Options& o, Ranks& ranks) {
  const std::vector<std::string> texts = ranks.gather(to_text(placement(o.common.threads)));
  struct Place {
    int threads = 0, number_on_host = 0;
  };
  std::vector<Place> places(static_cast<size_t>(ranks.size()));
  std::vector<Placement> all;
  for (const std::string& text : texts) all.push_back(placement_in(text));
  for (size_t i = 0; i < all.size(); ++i) places[i] = {threads_of(all, i), number_on_host(all, i)};
  ranks.broadcast(places.data(), std::ssize(places) * static_cast<int64_t>(sizeof(Place)));
  const Place& mine = places[static_cast<size_t>(ranks.rank())];
  o.common.threads = mine.threads;
  if (o.common.device == "cuda") choose_gpu(o, mine.number_on_host);
  const std::string wrong = misplaced(all);
  if (!wrong.empty()) o.common.say(wrong);
}

// What decides over bits, for comparison: the program, how it computes, and options but for those of a
// process and its folders.
std::string what_must_be_alike(const Options& o, const std::string& computing) {
  std::string text = std::string("version\t") + SR_VERSION + " (" + kCommit + ")\narithmetic\t" +
                     computing.substr(0, computing.find(',')) + "\n";
  for (const auto& [name, value] : o.training.told)
    if (name != "--threads" && name != "--quiet" && !name.ends_with("_path") && name != "--start_from")
      text += "option " + name + "\t" + value + "\n";
  return text;
}

void join(Options& o, Ranks& ranks) {
  if (o.common.device == "auto") o.common.device = "cpu";
  if (!ranks.first()) o.common.quiet = true;
  place(o, ranks);
}

// Which GPU each process has, a line for each host.
void say_gpus(const Options& o, Ranks& ranks) {
  const std::vector<std::string> all =
      ranks.gather(placement(0).host + ": cuda:" + std::to_string(o.common.gpus()[0]));
  std::map<std::string, std::string> of_host;
  for (const std::string& text : all) {
    const size_t end = text.find(": ");
    std::string& line = of_host[text.substr(0, end)];
    line += (line.empty() ? "" : ", ") + text.substr(end + 2);
  }
  for (const auto& [host, gpus] : of_host) o.common.say("on " + host + ": " + gpus);
}

void run(Options& o, const CLI::App& app, Ranks& ranks) {
  if (!ranks.alone()) join(o, ranks);
  o.common.apply();
  TrainingOptions& t = o.training;
  if (o.ssim_loss) o.loss = "ssim";
  t.trainer.loss = o.loss == "l2" ? Loss::l2 : o.loss == "ssim" ? Loss::ssim : Loss::l1;
  t.trainer.schedule.kind = schedule_kind(o.schedule);
  t.shuffle = !o.no_shuffle;
  t.restore_path = restore_path(o);
  t.trainer.device = o.common.target();
  t.told = told(app);
  t.given = given(app);
  std::string computing = o.common.description();
  if (!ranks.alone()) {
    computing = std::regex_replace(computing, std::regex(R"(cuda:\d+ \((.*)\))"), "$1");
    ranks.same(what_must_be_alike(o, computing));
    computing += " in each of " + std::to_string(ranks.size()) + " processes";
  }
  o.common.say(computing);
  if (!ranks.alone() && !o.common.gpus().empty()) say_gpus(o, ranks);
  TrainingLine line;
  train(t,
        {.say = [&](const std::string& text) { o.common.say(text); },
         .progress =
             [&](const TrainingProgress& p) {
               if (o.debug && ranks.first())
                 print_step(p);
               else if (!o.common.quiet)
                 line(p);
             },
         .stop = [] { return interrupted != 0; }},
        ranks);
}

// As one of several processes, or alone.
int run(Options& o, const CLI::App& app) {
  const MpiLaunch launch = mpi_launch();
  if (launch.size == 1) {
    Ranks alone;
    run(o, app, alone);
    return 0;
  }
  Ranks ranks(mpi_module(launch.kind), [] { return interrupted != 0; });
  try {
    run(o, app, ranks);
    ranks.finish();
  } catch (const std::exception& e) {  // others wait for this one: they must hear of it
    print_error((std::string(kName) + ", rank " + std::to_string(ranks.rank())).c_str(), e.what());
    ranks.fail(e.what());
  }
  return 0;
}

// Others wait for this process where MPI starts, MPICH's for ever.
void tell_others_of_wrong_usage() {
  try {
    const MpiLaunch launch = mpi_launch();
    if (launch.size == 1) return;
    Ranks ranks(mpi_module(launch.kind), [] { return interrupted != 0; });
    ranks.fail("wrong usage, as it says itself");
  } catch (const Error&) {  // no MPI that could tell them
  }
}

}  // namespace
}  // namespace sr

int main(int argc, char** argv) {
  sr::Options options;
  CLI::App app("Trains the network on a data set that create_training_dataset wrote.", sr::kName);
  sr::add_data_options(app, options);
  sr::add_network_options(app, options);
  sr::add_step_options(app, options);
  sr::add_run_options(app, options);
  options.common.add_to(app, "tf32", 1, sr::OnProcessor::fp32);
  bool begun = false;
  const int status = sr::run_program(app, argc, argv, [&] {
    begun = true;
    return sr::run(options, app);
  });
  if (status != 0 && !begun) sr::tell_others_of_wrong_usage();
  return status;
}
