// The whole network on a GPU: tiles of several sizes, and a training step. Needs nothing beside the driver.
#include <cuda_profiler_api.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <vector>

#include "bench/cuda/machine.h"
#include "idn/model.h"
#include "io/output_file.h"
#include "scene/pipeline.h"
#include "tensor/conv2d/packed_weights_cuda.h"
#include "tensor/cuda/device.h"
#include "tensor/cuda/error.h"
#include "tensor/cuda/graph.h"
#include "training/trainer.h"

namespace sr::bench {
namespace {

using cuda::Precision;
using nlohmann::ordered_json;

struct Options {
  std::string commit = "unknown", json, profile, precision = "bf16";
  int device = 0;
  bool machine = false;
};

constexpr Precision kPrecisions[] = {Precision::fp32, Precision::tf32, Precision::bf16, Precision::fp16};
constexpr double kMegapixel = 1 << 20;
constexpr int64_t kBatch = 64, kPatch = 29;

double seconds_of(const std::function<void()>& run) {
  const auto start = std::chrono::steady_clock::now();
  run();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

Tensor random_image(Shape shape) {
  Random random{1};
  return random_normal(shape, 0.3, random);
}

Model new_model(int factor) {
  return Model({.factor = factor, .crop_begin = 9 - factor}, 1);
}

// Milliseconds for a tile of a scene of one 16-bit band, from samples to samples in the host's memory: what
// upscale() needs for each once its graphs are recorded, if it needs about `expected`. By the host's clock.
double scene_tile_ms(const Model& model, int64_t side, double expected) {
  constexpr int64_t kBefore = 3 * kThreadsPerGpu;  // computed, recorded, repeated
  const int64_t tiles = kBefore + std::clamp<int64_t>(static_cast<int64_t>(200 / expected), 4, 200);
  SceneSettings settings;
  settings.factor = model.factor();
  settings.ranges = {{0, 65535}};
  Raster samples({0, 0, side, side}, 1, SampleType::u16);
  Random random{1};
  for (int64_t i = 0; i < side * side; ++i)
    samples.data<uint16_t>()[i] = static_cast<uint16_t>(random.next());
  const auto read = [&](const Window& window) {
    Raster tile = samples;
    tile.window = window;
    return tile;
  };
  using Clock = std::chrono::steady_clock;
  Clock::time_point begin, end;
  int64_t done = 0;
  upscale(&model, settings, {side, tiles * side, side, side, {}}, false,
          {.read = read,
           .write = [](const FineTile&) {},
           .progress = [&](int64_t) { (++done == kBefore ? begin : end) = Clock::now(); }},
          {cuda::device_index()});
  return std::chrono::duration<double, std::milli>(end - begin).count() /
         static_cast<double>(tiles - kBefore);
}

// Milliseconds for each low-resolution megapixel: recorded once with its weights in order, as a scene's tiles
// are, and launched a kernel at a time, by the device's clock with the image there; and as a scene needs it.
ordered_json tile(const Model& model, int64_t side, const CudaTimer& timer) {
  const Tensor image = random_image({1, side, side, 1});
  const Var there(image.to(Device::cuda));
  const auto run = [&] {
    const NoGrad none;
    (*model.network)(there);
  };
  cuda::PackedWeights packed;
  const cuda::KeepPacked keep(packed);
  cuda::Graph graph(run);
  const Timing recorded = timer.warm([&] { graph.launch(); }, 0.2), launched = timer.warm(run, 0.2);
  const double with_copies = scene_tile_ms(new_model(model.factor()), side, recorded.ms);
  const double megapixels = static_cast<double>(side * side) / kMegapixel;
  return {{"factor", model.factor()},
          {"side", side},
          {"precision", cuda::name_of(cuda::precision())},
          {"ms_per_megapixel", recorded.ms / megapixels},
          {"spread", recorded.spread},
          {"ms_per_megapixel_launched", launched.ms / megapixels},
          {"ms_per_megapixel_with_copies", with_copies / megapixels}};
}

// Forward, L1 loss, backward, Adam and the weights' average, five times already: recorded.
Trainer trained(int factor, const TrainingBatch& batch) {
  TrainerOptions options;
  options.device = Device::cuda;
  options.ema_decay = 0.999;
  Trainer trainer(new_model(factor), options);
  for (int i = 0; i < 5; ++i) trainer.step(batch, 0);
  return trainer;
}

// Lies on the device, as a training's does.
TrainingBatch random_batch(int factor) {
  TrainingBatch batch({kBatch, kPatch, kPatch, 1}, factor);
  Random random{1};
  for (int64_t i = 0; i < batch.all.shape().size(); ++i)
    batch.all.data()[i] = static_cast<float>(0.3 * random.normal());
  return batch.to(Device::cuda);
}

// By the host's clock: one by one, and each begun while the one before it is under way, as in a training.
ordered_json training_step(int factor) {
  const TrainingBatch batch = random_batch(factor);
  Trainer trainer = trained(factor, batch);
  std::vector<double> ms(100);
  for (double& m : ms) m = 1e3 * seconds_of([&] { trainer.step(batch, 0); });
  std::sort(ms.begin(), ms.end());
  const double ahead = seconds_of([&] {
    trainer.begin(batch, 0);
    for (size_t i = 1; i < ms.size(); ++i) {
      trainer.begin(batch, 0);
      trainer.finish();
    }
    trainer.finish();
  });
  return {{"factor", factor},
          {"batch", kBatch},
          {"side", kPatch},
          {"precision", cuda::name_of(cuda::precision())},
          {"ms", ms[ms.size() / 2]},
          {"lowest_ms", ms[0]},
          {"ms_ahead", 1e3 * ahead / static_cast<double>(ms.size())}};
}

// Once, between the calls that tell a profiler where to begin and to end.
void profiled(const std::function<void()>& run) {
  run();
  cuda::synchronize();
  gpu::check(cudaProfilerStart(), "cuda: the profiler");
  run();
  cuda::synchronize();
  gpu::check(cudaProfilerStop(), "cuda: the profiler");
}

// x2: a tile of 1024 x 1024 whose weights are in order, or a training step.
void profile(const std::string& what) {
  if (what == "step") {
    const TrainingBatch batch = random_batch(2);
    Trainer trainer = trained(2, batch);
    profiled([&] { trainer.step(batch, 0); });
    return;
  }
  Model model = new_model(2);
  model.to(Device::cuda);
  const Var image(random_image({1, 1024, 1024, 1}).to(Device::cuda));
  cuda::PackedWeights packed;
  const cuda::KeepPacked keep(packed);
  profiled([&] {
    const NoGrad none;
    (*model.network)(image);
  });
}

int run(const Options& o) {
  cuda::use_device(o.device);
  if (o.machine) {
    std::printf("%s\n", cuda_machine().dump(1).c_str());
    return 0;
  }
  if (!o.profile.empty()) {
    cuda::set_precision(cuda::precision_named(o.precision));
    profile(o.profile);
    return 0;
  }
  const CudaTimer timer(cuda::queue().stream);
  ordered_json result{{"commit", o.commit}, {"machine", cuda_machine()}};
  result["network"] = ordered_json::array();
  result["training"] = ordered_json::array();
  std::printf("%s, commit %s\n", result["machine"]["device"].get<std::string>().c_str(), o.commit.c_str());
  const auto keep = [&] {
    if (!o.json.empty()) write_file(o.json, result.dump(1) + "\n");
  };
  // First, since a run may be cut off: few figures, and soon measured.
  std::printf(
      "\n| training step, %ld x %ldx%ld | precision | ms | lowest | begun ahead |\n|---|---|---|---|---|\n",
      static_cast<long>(kBatch), static_cast<long>(kPatch), static_cast<long>(kPatch));
  for (const int factor : {2, 3, 4})
    for (const Precision p : kPrecisions) {
      cuda::set_precision(p);
      const ordered_json& row = result["training"].emplace_back(training_step(factor));
      std::printf("| x%d | %s | %.2f | %.2f | %.2f |\n", factor, name_of(p), row["ms"].get<double>(),
                  row["lowest_ms"].get<double>(), row["ms_ahead"].get<double>());
      std::fflush(stdout);
      keep();
    }
  std::printf(
      "\n| network | precision | tile | ms per 2^20 pixels | launched one by one | with copies "
      "|\n|---|---|---|---|---|---|\n");
  for (const int factor : {2, 3, 4}) {
    Model model = new_model(factor);
    model.to(Device::cuda);
    for (const Precision p : kPrecisions)
      for (const int64_t side : {256, 512, 1024}) {
        cuda::set_precision(p);
        const ordered_json& row = result["network"].emplace_back(tile(model, side, timer));
        std::printf("| x%d | %s | %ld | %.2f | %.2f | %.2f |\n", factor, name_of(p), static_cast<long>(side),
                    row["ms_per_megapixel"].get<double>(), row["ms_per_megapixel_launched"].get<double>(),
                    row["ms_per_megapixel_with_copies"].get<double>());
        std::fflush(stdout);
        keep();
      }
  }
  result["machine_at_the_end"] = cuda_machine();
  keep();
  return 0;
}

}  // namespace
}  // namespace sr::bench

int main(int argc, char** argv) {
  sr::bench::Options o;
  CLI::App app("Measures the network and a training step on a GPU.", "cuda_network_bench");
  app.add_option("--commit", o.commit, "what was built, for the record");
  app.add_flag("--machine", o.machine, "only say what GPU there is, as JSON");
  app.add_option("--profile", o.profile,
                 "only this, x2, once between the marks of a profiler (ncu --profile-from-start off)")
      ->check(CLI::IsMember({"tile", "step"}));
  app.add_option("--precision", o.precision, "of --profile")->capture_default_str();
  app.add_option("--json", o.json, "write the figures to this file");
  app.add_option("--device", o.device, "the GPU's number")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    return sr::bench::run(o);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "cuda_network_bench: error: %s\n", e.what());
    return 1;
  }
}
