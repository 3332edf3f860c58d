// How many batches a second a data set's patches give: what the processor does for a training on a GPU. Needs
// no GPU.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <string>

#include "training/patch_stream.h"

namespace sr::bench {
namespace {

struct Options {
  std::string data_path;
  int factor = 2, threads = 1;
  int64_t batch_size = 64, patch_size = 29, batches = 1000, cache_mb = 4096;
};

struct Clocks {
  double wall = 0, processor = 0;  // seconds
};

Clocks now() {
  return {std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(),
          static_cast<double>(std::clock()) / CLOCKS_PER_SEC};
}

int run(const Options& o) {
  const Dataset data(o.data_path, o.factor, o.cache_mb << 20);
  PatchStream stream(data, {.patch_size = o.patch_size, .batch_size = o.batch_size}, 0, Device::cpu,
                     o.threads);
  const auto take = [&](const char* what, int64_t batches) {
    const Clocks start = now();
    for (int64_t b = 0; b < batches; ++b) stream.next();
    const Clocks end = now();
    const double wall = end.wall - start.wall,
                 each = (end.processor - start.processor) / static_cast<double>(batches);
    std::printf("%s: %.0f batches a second, %.3f ms of a processor each\n", what,
                static_cast<double>(batches) / wall, 1e3 * each);
  };
  take("first epoch, which reads the tiles", stream.batches_per_epoch());
  take("then", o.batches);
  return 0;
}

}  // namespace
}  // namespace sr::bench

int main(int argc, char** argv) {
  sr::bench::Options o;
  CLI::App app("Measures how fast patches of a training data set are cut.", "patch_bench");
  app.add_option("--data_path", o.data_path, "folder that create_training_dataset wrote")->required();
  app.add_option("--upsampling_factor", o.factor, "2, 3 or 4")->capture_default_str();
  app.add_option("--batch_size", o.batch_size, "patches in a batch")->capture_default_str();
  app.add_option("--patch_size", o.patch_size, "side of a patch")->capture_default_str();
  app.add_option("--threads", o.threads, "that cut patches")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--batches", o.batches, "to measure")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--cache_mb", o.cache_mb, "of tiles that are kept")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    return sr::bench::run(o);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "patch_bench: error: %s\n", e.what());
    return 1;
  }
}
