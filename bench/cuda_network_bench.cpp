// The whole network on a GPU: tiles of several sizes, and a training step. Needs nothing beside the driver.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <vector>

#include "bench/cuda_machine.h"
#include "idn/model.h"
#include "io/output_file.h"
#include "tensor/device_cuda.h"
#include "tensor/graph_cuda.h"
#include "tensor/on_cuda.h"
#include "training/trainer.h"

namespace sr::bench {
namespace {

using cuda::Precision;
using nlohmann::ordered_json;

struct Options {
  std::string commit, json;
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

// Milliseconds for each low-resolution megapixel: recorded once with its weights in order, as a scene's tiles
// are, and launched a kernel at a time, by the device's clock with the image there; and by the host's with
// the image sent and the result fetched.
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
  model.residual(image);
  const double with_copies = seconds_of([&] { model.residual(image); });
  const double megapixels = static_cast<double>(side * side) / kMegapixel;
  return {{"factor", model.factor()},
          {"side", side},
          {"precision", cuda::name_of(cuda::precision())},
          {"ms_per_megapixel", recorded.ms / megapixels},
          {"spread", recorded.spread},
          {"ms_per_megapixel_launched", launched.ms / megapixels},
          {"ms_per_megapixel_with_copies", 1e3 * with_copies / megapixels}};
}

// Forward, L1 loss, backward, Adam and the weights' average, by the host's clock, of a batch that lies on the
// device: one by one, and each begun while the one before it is under way, as in a training.
ordered_json training_step(int factor) {
  TrainerOptions options;
  options.device = Device::cuda;
  options.ema_decay = 0.999;
  Trainer trainer(Model({.factor = factor, .crop_begin = 9 - factor}, 1), options);
  TrainingBatch batch({kBatch, kPatch, kPatch, 1}, factor);
  Random random{1};
  for (int64_t i = 0; i < batch.all.shape().size(); ++i)
    batch.all.data()[i] = static_cast<float>(0.3 * random.normal());
  batch = batch.to(Device::cuda);
  for (int i = 0; i < 5; ++i) trainer.step(batch, 0);
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

int run(const Options& o) {
  cuda::use_device(o.device);
  if (o.machine) {
    std::printf("%s\n", cuda_machine().dump(1).c_str());
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
    Model model({.factor = factor, .crop_begin = 9 - factor}, 1);
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
