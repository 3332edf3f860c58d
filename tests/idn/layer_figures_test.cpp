#include "idn/layer_figures.h"

#include <gtest/gtest.h>

#include <numeric>

#include "idn/stage_by_stage.h"

namespace sr {
namespace {

NetworkOptions three_bands_x3() {
  NetworkOptions options;
  options.factor = 3, options.crop_begin = 6, options.nchan = 3, options.num_Dist_blocks = 2;
  return options;
}

TEST(LayerFigures, AddUpToTheNetworks) {
  for (const NetworkOptions& options : {NetworkOptions{}, three_bands_x3()}) {
    const Model model(options);
    int64_t weights = 0, multiply_adds = 0;
    const std::vector<LayerFigures> layers = layer_figures(model);
    for (const LayerFigures& layer : layers) weights += layer.weights, multiply_adds += layer.multiply_adds;
    EXPECT_EQ(weights, model.params->count());
    EXPECT_EQ(layers.back().reach, model.network->reach());
    if (options == NetworkOptions{}) {
      EXPECT_EQ(multiply_adds, 551040);  // Hui et al., section 3, counted by hand
    }
  }
}

TEST(LayerFigures, NameTheLayersByTheirParameters) {
  const std::vector<LayerFigures> layers = layer_figures(Model(NetworkOptions{}));
  EXPECT_EQ(layers[3].name, "blocks.0.conv2");
  EXPECT_EQ(layers[3].what, "3x3, 48 to 32 in 4 groups");
  EXPECT_EQ(layers[3].weights, 32 * 3 * 3 * 12 + 32);
  EXPECT_EQ(layers[3].reach, (Reach{4, 4}));
  EXPECT_EQ(layers[7].name, "blocks.0.conv6 + blocks.0.compress");
  EXPECT_EQ(layers[7].what, "3x3, 48 to 80, 1x1 to 64");
  EXPECT_EQ(layers.back().name, "upsample");
}

TEST(LayerFigures, StagesOneByOneAreTheNetwork) {
  const NoGrad no_grad;
  const Model model(three_bands_x3());
  Random random{2};
  const Tensor image = random_normal({1, 9, 14, 3}, 0.2, random);
  const bands::Program program = model.network->program();
  StageByStage stages(program, image);
  while (!stages.done()) stages.run_next();
  EXPECT_EQ(stages.result().to_vector(), (*model.network)(Var(image)).value().to_vector());
}

TEST(LayerFigures, TimesOfTheLayersArePartOfThePass) {
  const Model model(three_bands_x3());
  const LayerTimes times = layer_times(model, 40, 30, 2);
  ASSERT_EQ(times.layers.size(), layer_figures(model).size());
  for (const double seconds : times.layers) EXPECT_GT(seconds, 0);
  EXPECT_LE(std::accumulate(times.layers.begin(), times.layers.end(), 0.0), times.pass);
}

}  // namespace
}  // namespace sr
