// Every layer of the network on a GPU, forward and both gradients, beside the best of cuDNN and the roofline.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <regex>

#include "bench/cuda/cublas_peak.h"
#include "bench/cuda/cudnn_conv.h"
#include "bench/cuda/layers.h"
#include "bench/cuda/machine.h"
#include "io/output_file.h"
#include "tensor/error.h"

namespace sr::bench {
namespace {

using cuda::Precision;
using nlohmann::ordered_json;

struct Options {
  std::string commit = "unknown", json, filter = ".";
  double seconds = 170, reference_seconds = 1;
  int threads = 8, device = 0;
};

constexpr Precision kPrecisions[] = {Precision::fp16, Precision::tf32, Precision::bf16, Precision::fp32};

// cuDNN's result may be off ours by this much of the largest value: two roundings to the storage type, or
// what products of rounded operands leave.
double tolerance(Precision precision) {
  switch (precision) {
    case Precision::fp32:
      return 1e-4;
    case Precision::tf32:
      return 5e-3;
    case Precision::bf16:
      return 2e-2;
    default:
      return 5e-3;
  }
}

struct Roof {
  double copy_gbs = 0;
  std::map<Precision, double> tflops;
  double ms(const LayerCase& c) const {
    return 1e3 *
           std::max(2 * c.multiply_adds() / (tflops.at(c.precision) * 1e12), c.bytes() / (copy_gbs * 1e9));
  }
};

Roof measured_roof(const CudaTimer& timer) {
  Roof roof;
  cudaStream_t stream = cuda::queue().stream;
  for (const Precision p : kPrecisions) roof.tflops[p] = cublas_peak(p, stream, timer);
  roof.copy_gbs = copy_bandwidth(stream, timer);
  return roof;
}

ordered_json to_json(const Roof& roof) {
  ordered_json tflops;
  for (const Precision p : kPrecisions) tflops[name_of(p)] = roof.tflops.at(p);
  return {{"copy_gbs", roof.copy_gbs}, {"cublas_tflops", tflops}};
}

// Asked for first, since the time may end: training in bf16 and a scene's tile in fp16, training in fp16 and
// TF32.
int rank(const LayerCase& c) {
  const bool trains = c.size.side == kBatchSize.side;
  if (!trains) return c.precision == Precision::fp16 && c.what == "forward" ? 1 : 4;
  return c.precision == Precision::bf16   ? 0
         : c.precision == Precision::fp16 ? 2
         : c.precision == Precision::tf32 ? 3
                                          : 4;
}

std::vector<LayerCase> all_cases(const std::string& filter) {
  std::vector<LayerCase> cases;
  const std::regex wanted(filter);
  const auto add = [&](const LayerSize& size, Precision p, const char* what) {
    for (const LayerCase& c : layer_cases(size, p, what))
      if (std::regex_search(c.layer + '/' + what + '/' + size.name + '/' + name_of(p), wanted))
        cases.push_back(c);
  };
  for (const Precision p : kPrecisions) {
    add(kTileSize, p, "forward");
    for (const char* what : {"forward", "grad input", "grad weight"}) add(kBatchSize, p, what);
  }
  for (const Precision p : kPrecisions)
    for (const char* what : {"grad input", "grad weight"}) add(kTileSize, p, what);
  std::stable_sort(cases.begin(), cases.end(),
                   [](const LayerCase& a, const LayerCase& b) { return rank(a) < rank(b); });
  return cases;
}

CudnnBest best_of(LayerRun& run, const LayerCase& c, const Cudnn& cudnn, const CudaTimer& timer,
                  double seconds) {
  return cudnn.best(run.problem(), run.operands(), timer, seconds, tolerance(c.precision),
                    [&] { return run.difference(); });
}

// If cuDNN cannot do what follows a convolution, then also the convolution alone, checked against ours alone;
// its name says so.
CudnnBest cudnn_best(LayerRun& run, const LayerCase& c, const Cudnn& cudnn, const CudaTimer& timer,
                     double seconds) {
  const CudnnBest whole = best_of(run, c, cudnn, timer, seconds);
  if (!run.problem().has_epilogue() || (whole.separate && !whole.name.empty())) return whole;
  LayerCase bare = c;
  bare.bias = false, bare.leak = 1, bare.added.clear();
  LayerRun bare_run(bare);
  CudnnBest best = best_of(bare_run, bare, cudnn, timer, seconds);
  if (best.name.empty() || (!whole.name.empty() && whole.cold.ms < best.cold.ms)) return whole;
  best.name += ", and nothing of what follows the convolution";
  best.tried += whole.tried, best.wrong += whole.wrong;
  return best;
}

ordered_json measure(const LayerCase& c, const Cudnn& cudnn, const Roof& roof, const CudaTimer& timer,
                     double seconds) {
  LayerRun run(c);
  const Timing cold = timer.cold([&] { run.run(); }), warm = timer.warm([&] { run.run(); });
  const double pack_ms = c.op == cuda::ConvOp::grad_weight ? 0 : timer.warm([&] { run.pack(); }).ms;
  ordered_json row{{"layer", c.layer},
                   {"what", c.what},
                   {"size", c.size.name},
                   {"precision", name_of(c.precision)},
                   {"kernel", run.kernel()},
                   {"ms", cold.ms},
                   {"spread", cold.spread},
                   {"warm_ms", warm.ms},
                   {"pack_ms", pack_ms},
                   {"tflops", 2 * c.multiply_adds() / (cold.ms * 1e-3) * 1e-12},
                   {"gbs", c.bytes() / (cold.ms * 1e-3) * 1e-9},
                   {"roof_ms", roof.ms(c)},
                   {"of_roof", roof.ms(c) / cold.ms}};
  const CudnnBest best = cudnn_best(run, c, cudnn, timer, seconds);
  row["cudnn"] = nullptr;
  if (!best.name.empty())
    row["cudnn"] = {{"ms", best.cold.ms},      {"spread", best.cold.spread},
                    {"warm_ms", best.warm.ms}, {"by_ours", best.cold.ms / cold.ms},
                    {"name", best.name},       {"difference", best.difference}};
  row["cudnn_tried"] = best.tried;
  row["cudnn_wrong"] = best.wrong;
  return row;
}

void print_heading() {
  std::printf(
      "| layer | what | pixels | precision | us | us, warm | TFLOP/s | GB/s | of the roof | cuDNN us | us, "
      "warm | cuDNN / ours | "
      "difference | cuDNN's best |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n");
}

void print_row(const ordered_json& r) {
  const auto text = [](const ordered_json& v) { return v.get<std::string>(); };
  const auto number = [](const ordered_json& v) { return v.get<double>(); };
  std::printf("| %s | %s | %s | %s | %.1f | %.1f | %.1f | %.0f | %.2f | ", text(r["layer"]).c_str(),
              text(r["what"]).c_str(), text(r["size"]).c_str(), text(r["precision"]).c_str(),
              1e3 * number(r["ms"]), 1e3 * number(r["warm_ms"]), number(r["tflops"]), number(r["gbs"]),
              number(r["of_roof"]));
  const ordered_json& c = r["cudnn"];
  if (c.is_null())
    std::printf("none | | | | %d ran, none right |\n", r["cudnn_tried"].get<int>());
  else
    std::printf("%.1f | %.1f | %.2f | %.0e | %s |\n", 1e3 * number(c["ms"]), 1e3 * number(c["warm_ms"]),
                number(c["by_ours"]), number(c["difference"]), text(c["name"]).c_str());
  std::fflush(stdout);
}

int run(const Options& o) {
  const auto start = std::chrono::steady_clock::now();
  const auto elapsed = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  const std::vector<LayerCase> cases = all_cases(o.filter);
  cuda::use_device(o.device);
  cudaStream_t stream = cuda::queue().stream;
  const CudaTimer timer(stream);
  const Cudnn cudnn(stream, o.threads, int64_t{2} << 30);
  ordered_json result{{"commit", o.commit}, {"machine", cuda_machine()}, {"cudnn", Cudnn::version()}};
  const Roof roof = measured_roof(timer);
  result["roof"] = to_json(roof);
  std::printf("%s, cuDNN %s, commit %s\ncopy %.0f GB/s; cuBLAS, TFLOP/s:",
              result["machine"]["device"].get<std::string>().c_str(), Cudnn::version().c_str(),
              o.commit.c_str(), roof.copy_gbs);
  for (const Precision p : kPrecisions) std::printf(" %s %.0f", name_of(p), roof.tflops.at(p));
  std::printf(
      "\nA time is the median of single runs after the second-level cache was filled with other data; warm: "
      "20 in a row, 3 of more than 5 ms.\n"
      "Roof: the larger of the multiply-adds at cuBLAS' rate and of all tensors once at the copy's.\n"
      "The upsampler is without its bias, which cuDNN cannot add to one channel, on both sides.\n"
      "cuDNN's tensors are NHWC, in fp32 too, where it may be faster with NCHW.\n\n");
  print_heading();
  result["layers"] = ordered_json::array();
  size_t done = 0;
  for (; done < cases.size() && elapsed() < o.seconds; ++done) {
    result["layers"].push_back(measure(cases[done], cudnn, roof, timer, o.reference_seconds));
    print_row(result["layers"].back());
    if (!o.json.empty()) write_file(o.json, result.dump(1) + "\n");  // now: the next one may not come back
  }
  const double again = cublas_peak(Precision::bf16, stream, timer);
  result["roof"]["cublas_bf16_tflops_at_the_end"] = again;
  result["not_measured"] = cases.size() - done;
  result["machine_at_the_end"] = cuda_machine();
  if (!o.json.empty()) write_file(o.json, result.dump(1) + "\n");
  std::printf("\n%zu of %zu operations measured in %.0f s%s; cuBLAS bf16 at the end: %.0f TFLOP/s\n", done,
              cases.size(), elapsed(), done < cases.size() ? ", then the time was up (--seconds)" : "",
              again);
  return 0;
}

}  // namespace
}  // namespace sr::bench

int main(int argc, char** argv) {
  sr::bench::Options o;
  CLI::App app("Measures the network's convolutions on a GPU beside cuDNN.", "cuda_bench");
  app.add_option("--commit", o.commit, "what was built, for the record");
  app.add_option("--json", o.json, "write the figures to this file");
  app.add_option("--filter", o.filter,
                 "a regular expression for LAYER/WHAT/SIZE/PRECISION, as conv1.*512.*bf16");
  app.add_option("--seconds", o.seconds, "begin nothing new after so long")->capture_default_str();
  app.add_option("--reference_seconds", o.reference_seconds, "for building cuDNN's plans of an operation")
      ->capture_default_str();
  app.add_option("--reference_threads", o.threads, "that build them")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  app.add_option("--device", o.device, "the GPU's number")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    return sr::bench::run(o);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "cuda_bench: error: %s\n", e.what());
    return 1;
  }
}
