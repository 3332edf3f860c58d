#include "training/start.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <optional>
#include <sstream>

#include "idn/checkpoint_files.h"
#include "io/output_file.h"
#include "tensor/error.h"

namespace sr {
namespace {

std::string text_of(LumaConvention luma) {
  return luma == LumaConvention::full ? "full range" : "studio range";
}

// A network from another data set would see other numbers than it was trained for.
void check_against_data(const Model& model, const DatasetInfo& data, const std::string& name) {
  const auto differ = [&](const char* what, const auto& of_network, const auto& of_data) {
    if (of_network == of_data) return;
    std::ostringstream text;
    text << name << ": the network's " << what << " is " << of_network << ", the data set's " << of_data
         << "; restore a network that was trained on such data, or train anew";
    throw Error(Error::Kind::usage, text.str());
  };
  differ("factor", model.factor(), data.factor);
  differ("number of channels", model.nchan(), data.nchan);
  if (data.mode == ColourMode::luma) differ("luma", text_of(model.luma), text_of(data.luma));
  const ValueRanges ranges = model.ranges.empty() ? ValueRanges{{}} : model.ranges;
  if (numbers_of(ranges) != numbers_of(data.ranges))
    differ("value range", text_of(ranges), text_of(data.ranges));
}

// Weights that make an image add nothing of use to one, and the other way round.
void check_base(const Model& start, const Model& model, const std::string& path) {
  const Base base = start.options().base;
  if (base != model.options().base)
    throw Error(Error::Kind::usage, path, ": the base of its network is ", name_of(base),
                "; start from it with --base ", name_of(base));
}

void scale_upsampler(Model& model, double deviation) {
  for (Parameter& p : model.params->list()) {
    if (p.name != "upsample.weight") continue;
    Tensor values = p.var.value();  // the same memory
    double squares = 0;
    for (const float v : values.to_vector()) squares += double{v} * double{v};
    const double factor = deviation / std::sqrt(squares / static_cast<double>(values.shape().size()));
    for (int64_t i = 0; i < values.shape().size(); ++i)
      values.data()[i] = static_cast<float>(factor * double{values.data()[i]});
  }
}

// The checkpoint to start from; empty: none is.
std::string start_checkpoint(const TrainingOptions& o) {
  if (o.start_path.empty()) return "";
  std::string path;
  for (int factor = 4; factor >= 2; --factor)
    if (has_checkpoint(o.start_path, factor)) path = find_checkpoint(o.start_path, factor);
  if (path.empty() || has_checkpoint(o.start_path, o.factor)) path = find_checkpoint(o.start_path, o.factor);
  return path;
}

const char* network_of(const Model& model) {
  return model.options().span ? "span" : "idn";
}

void start_from(Model& model, const Model& start, const std::string& path, const Say& say) {
  check_base(start, model, path);
  const int64_t taken = take_weights(model, start);
  const std::string mine = network_of(model), its = network_of(start);
  if (taken == 0)
    throw Error(Error::Kind::usage, path, ": none of its parameters fits the network; train anew");
  // Without a base a network's result is as bright as its own means make it.
  if (mine == its && !start.has_base() && start.nchan() == model.nchan()) model.means = start.means;
  say("starting from " + std::to_string(taken) + " of " + std::to_string(model.params->list().size()) +
      " parameters of " + path + " (x" + std::to_string(start.factor()) +
      (mine == its ? ")" : ", " + its + "; this network is " + mine + ")"));
}

Model new_model(const TrainingOptions& o, const DatasetInfo& data, const Say& say) {
  const std::string path = start_checkpoint(o);
  std::optional<Model> start;
  if (!path.empty()) start = Model::load(path);
  NetworkOptions network;
  network.factor = o.factor;
  network.nchan = data.nchan;
  network.num_FB_layers = o.num_FB_layers;
  network.num_Dist_blocks = o.num_Dist_blocks;
  network.compression_activation = o.compression_activation;
  network.crop_begin = 9 - o.factor;
  network.base = o.base == "none" ? Base::none : Base::bicubic;
  if (o.network == "span") network.span = o.span;
  if (network.span && start && start->options().span) network.span->joined = start->options().span->joined;
  Model model(network, o.seed);
  model.luma = data.luma;
  model.means = data.means;
  if (data.type != SampleType::u8) model.ranges = data.ranges;
  model.origin = "trained by train_superres_net";
  if (o.upsampler_deviation > 0) scale_upsampler(model, o.upsampler_deviation);
  if (start) start_from(model, *start, path, say);
  return model;
}

// A restored training's own value holds; one that was given must be the same.
template <class T>
void settle(TrainingOptions& o, const char* name, T& option, const T& restored, const std::string& path) {
  if (option != restored && std::ranges::find(o.given, name) != o.given.end())
    throw Error(Error::Kind::usage, path, ": was trained with ", name, " ", restored, ", not with ", name,
                " ", option, "; leave the option away, or train anew from these weights with --start_from");
  option = restored;
  for (auto& [told_name, value] : o.told)
    if (told_name == name) value = (std::ostringstream() << restored).str();
}

void settle_network(TrainingOptions& o, const NetworkOptions& restored, const std::string& path) {
  settle(o, "--network", o.network, std::string(restored.span ? "span" : "idn"), path);
  settle(o, "--base", o.base, std::string(name_of(restored.base)), path);
  if (restored.span) {
    settle(o, "--channels", o.span.channels, restored.span->channels, path);
    settle(o, "--blocks", o.span.blocks, restored.span->blocks, path);
    settle(o, "--branches", o.span.branches, restored.span->branches, path);
    return;
  }
  settle(o, "--num_FB_layers", o.num_FB_layers, restored.num_FB_layers, path);
  settle(o, "--num_Dist_blocks", o.num_Dist_blocks, restored.num_Dist_blocks, path);
  settle(o, "--compression_activation", o.compression_activation, restored.compression_activation, path);
}

// Another size of batches or patches would make other epochs, and the place in the data a wrong one.
void settle_sizes(TrainingOptions& o, const TrainingNotes& restored, const std::string& path) {
  if (restored.batch_size > 0) settle(o, "--batch_size", o.batch_size, restored.batch_size, path);
  if (restored.patch_size > 0) settle(o, "--patch_size", o.patch_size, restored.patch_size, path);
}

// An option of the other network would be passed over.
void check_network(const TrainingOptions& o) {
  const std::vector<std::string> of_idn{"--num_FB_layers", "--num_Dist_blocks", "--compression_activation"},
      of_span{"--channels", "--blocks", "--branches"};
  for (const std::string& name : o.network == "span" ? of_idn : of_span)
    if (std::ranges::find(o.given, name) != o.given.end())
      throw Error(Error::Kind::usage, "training: ", name, " is no option of --network ", o.network,
                  "; leave it away, or choose the other network");
}

void check_options(const TrainingOptions& o) {
  if (o.nepochs < 1 || o.batch_size < 1 || o.num_validation_tiles < 1)
    throw Error(Error::Kind::usage, "training: nepochs ", o.nepochs, ", batch_size ", o.batch_size,
                ", num_validation_tiles ", o.num_validation_tiles, "; want at least 1 of each");
  if (o.trainer.loss == Loss::ssim && o.patch_size * o.factor < 11)
    throw Error(Error::Kind::usage, "training: patches of ", o.patch_size, " x ", o.factor,
                " pixels are smaller than SSIM's window of 11; use a larger --patch_size");
}

void check_channels(const TrainingOptions& o, const DatasetInfo& data) {
  if (o.trainer.spectral_angle > 0 && data.nchan == 1)
    throw Error(Error::Kind::usage, "--spectral_angle is for joint networks, and the samples of ",
                o.data_path, " have one channel; make them with create_training_dataset --colour_mode joint");
}

void check_tiles(const TrainingOptions& o, const DatasetInfo& data) {
  const auto check = [&](const char* name, int64_t option, int64_t of_data) {
    // create_training_dataset took a multiple of the factor.
    if (option > 0 && option / o.factor * o.factor != of_data)
      throw Error(Error::Kind::usage, o.data_path, ": was made with ", name, ' ', of_data, ", not ", option,
                  "; leave the option away to take its tiles as they are");
  };
  check("--tile_size_w", o.tile_size_w, data.tile_w);
  check("--tile_size_h", o.tile_size_h, data.tile_h);
}

}  // namespace

std::string judged_on(const TrainingOptions& o) {
  return checksum_of_file(factor_folder(o.data_path, o.factor) + "/manifest.json") + ", " +
         std::to_string(o.num_validation_tiles) + " tiles";
}

std::string best_checkpoint(const TrainingOptions& o) {
  return factor_folder(o.out_path, o.factor) + "/ckpts/best.sr";
}

Trainer start_training(TrainingOptions& o, const DatasetInfo& data, double& best_psnr, const Say& say) {
  if (o.restore_path.empty()) {
    check_network(o);
    if (has_checkpoint(o.out_path, o.factor))
      throw Error(Error::Kind::usage, factor_folder(o.out_path, o.factor),
                  ": holds a training already; --restore goes on with it, or choose another --out_path");
    return Trainer(new_model(o, data, say), o.trainer);
  }
  const std::string path = find_checkpoint(o.restore_path, o.factor);
  std::string notes;
  Trainer trainer = Trainer::restore(path, o.trainer, notes);
  check_against_data(trainer.model(), data, path);
  settle_network(o, trainer.model().options(), path);
  check_network(o);
  const TrainingNotes restored = notes_in(notes);
  settle_sizes(o, restored, path);
  const bool same = restored.judged_on.empty() || restored.judged_on == judged_on(o);
  if (same && std::filesystem::exists(best_checkpoint(o))) best_psnr = restored.best_psnr;
  say("restored " + path + ", " + std::to_string(trainer.steps()) + " steps");
  return trainer;
}

void check(const TrainingOptions& options, const DatasetInfo& data) {
  check_options(options);
  check_tiles(options, data);
  check_channels(options, data);
}

}  // namespace sr
