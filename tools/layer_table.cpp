#include "tools/layer_table.h"

#include <cinttypes>
#include <cstdio>
#include <string>
#include <vector>

#include "idn/layer_figures.h"

namespace sr {
namespace {

std::string shown_name(const LayerFigures& layer, size_t number) {
  return layer.name.empty() ? "stage " + std::to_string(number + 1) : layer.name;
}

std::string reach_text(const Reach& reach) {
  return std::to_string(reach.before) + "/" + std::to_string(reach.after);
}

void print_time(const char* name, const char* what, double seconds, double pass, const char* rate) {
  std::printf("%-32s %-36s %10.3f %6.1f %% %9s\n", name, what, seconds * 1e3, 100 * seconds / pass, rate);
}

}  // namespace

void print_layers(const Model& model) {
  std::printf("%-32s %-36s %9s %13s %9s\n", "layer", "what", "weights", "multiply-adds", "reach");
  int64_t weights = 0, multiply_adds = 0;
  const std::vector<LayerFigures> layers = layer_figures(model);
  for (size_t i = 0; i < layers.size(); ++i) {
    const LayerFigures& l = layers[i];
    weights += l.weights, multiply_adds += l.multiply_adds;
    std::printf("%-32s %-36s %9" PRId64 " %13" PRId64 " %9s\n", shown_name(l, i).c_str(), l.what.c_str(),
                l.weights, l.multiply_adds, reach_text(l.reach).c_str());
  }
  std::printf("%-32s %-36s %9" PRId64 " %13" PRId64 " %9s\n", "together", "", weights, multiply_adds,
              reach_text(layers.back().reach).c_str());
}

void print_profile(const Model& model, int64_t width, int64_t height) {
  constexpr int kRounds = 3;
  const LayerTimes times = layer_times(model, width, height, kRounds);
  const std::vector<LayerFigures> layers = layer_figures(model);
  std::printf("%-32s %-36s %10s %8s %9s\n", "layer", "what", "ms", "share", "GFLOP/s");
  double rest = times.pass;
  for (size_t i = 0; i < layers.size(); ++i) {
    const double seconds = times.layers[i];
    rest -= seconds;
    const auto operations = 2 * static_cast<double>(layers[i].multiply_adds * width * height);
    char rate[32];
    std::snprintf(rate, sizeof rate, "%.0f", operations / seconds * 1e-9);
    print_time(shown_name(layers[i], i).c_str(), layers[i].what.c_str(), seconds, times.pass, rate);
  }
  if (model.device() == Device::cpu) print_time("waiting, and between layers", "", rest, times.pass, "");
  const std::string size = std::to_string(width) + " x " + std::to_string(height) + " pixels";
  print_time("together", size.c_str(), times.pass, times.pass, "");
}

}  // namespace sr
