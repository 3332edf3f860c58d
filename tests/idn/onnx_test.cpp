// Graphs of onnx_export.h, evaluated by loops that know nothing of the network, against the model; and graphs
// of others.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <functional>

#include "idn/onnx_export.h"
#include "idn/onnx_import.h"
#include "idn/super_resolve.h"
#include "io/output_file.h"
#include "tensor/ops/resize.h"
#include "tests/support/damage.h"
#include "tests/support/expect_error.h"
#include "tests/support/onnx_loops.h"
#include "tests/support/test_folder.h"

namespace sr {
namespace {

// Random weights, means and all, with a residual as large as trained weights give.
Model random_model(int factor, int nchan, int blocks = 1, int crop = 0) {
  NetworkOptions options;
  options.factor = factor, options.nchan = nchan, options.num_Dist_blocks = blocks;
  options.crop_begin = crop > 0 ? crop : 9 - factor;
  options.compression_activation = factor != 3;
  Model model(options, static_cast<uint64_t>(factor * nchan));
  Tensor up = model.params->list()[model.params->list().size() - 2].var.value();
  for (int64_t i = 0; i < up.shape().size(); ++i) up.data()[i] *= 0.05f;
  for (int k = 0; k < nchan; ++k) {
    const auto at = static_cast<size_t>(k);
    model.means.down[at] = 0.4 + 0.1 * k, model.means.gt[at] = 0.42 + 0.1 * k,
    model.means.bic_up[at] = 0.41 + 0.1 * k;
  }
  model.luma = LumaConvention::studio;
  model.origin = "a test";
  return model;
}

Model random_span(int factor, int nchan) {
  NetworkOptions options;
  options.factor = factor, options.nchan = nchan, options.span = SpanOptions{.channels = 16, .blocks = 2};
  Model model(options, 11);
  for (int k = 0; k < nchan; ++k) model.means.down[static_cast<size_t>(k)] = 0.4 + 0.1 * k;
  model.origin = "a test";
  return model;
}

Tensor random_image(const Shape& shape, uint64_t seed) {
  Random random{seed};
  Tensor image(shape);
  for (int64_t i = 0; i < shape.size(); ++i) image.data()[i] = static_cast<float>(random.uniform());
  return image;
}

void expect_near(const Tensor& a, const Tensor& b, float bound, const std::string& what) {
  ASSERT_EQ(a.shape(), b.shape()) << what;
  float worst = 0;
  for (int64_t i = 0; i < a.shape().size(); ++i) worst = std::max(worst, std::abs(a.data()[i] - b.data()[i]));
  EXPECT_LE(worst, bound) << what;
}

float largest(const Tensor& x) {
  float most = 1;
  for (int64_t i = 0; i < x.shape().size(); ++i) most = std::max(most, std::abs(x.data()[i]));
  return most;
}

TEST(OnnxGraph, IsTheModelUpToTheBordersForEveryFactorAndAnyChannels) {
  const TestFolder folder;
  const std::string path = folder / "n.onnx";
  for (const int factor : {2, 3, 4})
    for (const int nchan : {1, 4}) {
      const Model model = random_model(factor, nchan);
      for (const bool with_bicubic : {false, true}) {
        save_onnx(path, onnx_model(model, {.with_bicubic = with_bicubic}));
        const OnnxModel graph = load_onnx(path);
        for (const auto& [h, w] : {std::pair{3, 5}, {7, 6}, {1, 2}}) {
          const Tensor image = random_image({1, h, w, nchan}, 7);
          const Tensor expected = with_bicubic ? super_resolve(model, image, bicubic_enlarge(image, factor))
                                               : network_residual(model, image);
          expect_near(run_onnx(graph, image), expected, 1e-5f,
                      "x" + std::to_string(factor) + ", " + std::to_string(nchan) + " channels, " +
                          std::to_string(h) + " rows" + (with_bicubic ? ", with bicubic" : ""));
        }
      }
    }
}

TEST(OnnxGraph, OfSpanIsTheModelWithBranchesAndWithout) {
  for (const bool branches : {false, true}) {
    const Model model(
        {.factor = 3, .nchan = 2, .span = SpanOptions{.channels = 16, .blocks = 2, .branches = branches}}, 5);
    Tensor up = model.params->list()[model.params->list().size() - 2].var.value();
    for (int64_t i = 0; i < up.shape().size(); ++i)
      up.data()[i] *= 0.05f;  // as small as trained weights' result
    const OnnxModel graph = onnx_model(model, {.with_bicubic = true});
    for (const auto& [h, w] : {std::pair{3, 5}, {7, 6}, {1, 2}}) {
      const Tensor image = random_image({1, h, w, 2}, 7);
      expect_near(run_onnx(graph, image), super_resolve(model, image, bicubic_enlarge(image, 3)), 1e-5f,
                  std::to_string(h) + " rows");
    }
  }
}

TEST(OnnxGraph, IsTheOtherNetworkAsWell) {
  for (const int factor : {2, 3, 4}) {
    const Model model = random_span(factor, factor);
    const OnnxModel graph = onnx_model(model, {.with_bicubic = true});
    const Tensor image = random_image({1, 5, 4, factor}, 2);
    const Tensor expected = super_resolve(model, image, bicubic_enlarge(image, factor));
    expect_near(run_onnx(graph, image), expected, 1e-5f * largest(expected), "x" + std::to_string(factor));
  }
}

TEST(OnnxGraph, GivesTheImageOfANetworkWithoutABaseInAnyCase) {
  NetworkOptions options{.factor = 2, .nchan = 2, .base = Base::none};
  options.span = SpanOptions{.channels = 16, .blocks = 1, .joined = 32};
  Model model(options, 11);
  model.means = {{0.3, 0.4}, {0.45, 0.5}, {7, 8}};
  const Tensor image = random_image({1, 4, 5, 2}, 2), expected = super_resolve(model, image, {});
  const ValueRanges ranges = {{-100, 900}, {0, 4095}};
  for (const bool with_bicubic : {false, true})
    for (const bool ranged : {false, true}) {
      const OnnxModel graph =
          onnx_model(model, {.with_bicubic = with_bicubic, .range = ranged ? ranges : ValueRanges{}});
      EXPECT_EQ(graph.metadata.at("output"), "enlarged image");
      EXPECT_EQ(graph.metadata.at("model_type"), "\"Superresolution\"");
      const auto in_samples = [&](const Tensor& x) {
        Tensor samples = x.clone();
        for (int64_t i = 0; ranged && i < x.shape().size(); ++i) {
          const ValueRange& range = ranges[static_cast<size_t>(i % 2)];
          samples.data()[i] = static_cast<float>(range.low + range.width() * double{x.data()[i]});
        }
        return samples;
      };
      expect_near(run_onnx(graph, in_samples(image)), in_samples(expected),
                  (ranged ? 4095 : 1) * 1e-5f * largest(expected), ranged ? "samples" : "values");
    }
  const TestFolder folder;
  save_onnx(folder / "n.onnx", onnx_model(model, {.range = ranges}));
  const Model back = model_of_onnx(folder / "n.onnx");
  EXPECT_EQ(back.to_checkpoint().meta, model.to_checkpoint().meta);
  expect_near(super_resolve(back, image, {}), expected, 1e-5f * largest(expected), "read back");
}

TEST(OnnxGraph, TakesAndGivesSamplesWhereARangeIsAskedFor) {
  const Model model = random_model(2, 2);
  const ValueRanges ranges = {{-100, 900}, {0, 4095}};
  const Tensor image = random_image({1, 4, 6, 2}, 3);
  Tensor samples = image.clone();
  const auto to_samples = [&](Tensor& x) {
    for (int64_t i = 0; i < x.shape().size(); ++i)
      x.data()[i] = static_cast<float>(ranges[static_cast<size_t>(i % 2)].low +
                                       ranges[static_cast<size_t>(i % 2)].width() * double{x.data()[i]});
  };
  to_samples(samples);
  Tensor expected = super_resolve(model, image, bicubic_enlarge(image, 2));
  to_samples(expected);
  const OnnxModel graph = onnx_model(model, {.with_bicubic = true, .range = ranges});
  expect_near(run_onnx(graph, samples), expected, 4095 * 1e-5f, "samples");
  EXPECT_EQ(graph.metadata.at("values"), "-100..900 (band 1), 0..4095 (band 2)");
  expect_error(Error::Kind::unsupported, "crops 12 of 17",
               [&] { onnx_model(random_model(2, 1, 0, 12), {}); });
  expect_error(Error::Kind::usage, "3 value ranges", [&] {
    onnx_model(model, {.range = {{0, 1}, {0, 2}, {0, 3}}});
  });
}

TEST(OnnxGraph, SaysWhatItIs) {
  const Model model = random_model(3, 4);
  const OnnxModel any = onnx_model(model, {}), tile = onnx_model(model, {.with_bicubic = true, .tile = 64});
  EXPECT_EQ(any.inputs.at(0).shape, (std::vector<std::string>{"batch", "4", "height", "width"}));
  EXPECT_EQ(tile.inputs.at(0).shape, (std::vector<std::string>{"1", "4", "64", "64"}));
  EXPECT_EQ(tile.outputs.at(0).shape, (std::vector<std::string>{"1", "4", "192", "192"}));
  const Reach reach = model.network->reach();
  const std::string margin = std::to_string(std::max(reach.before, reach.after));
  EXPECT_EQ(any.metadata.at("factor"), "3");
  EXPECT_EQ(any.metadata.at("margin"), margin);
  EXPECT_EQ(any.metadata.at("superres"), model.to_checkpoint().meta);
  EXPECT_FALSE(any.metadata.contains("model_type")) << "a residual is no image for a program that shows it";
  EXPECT_EQ(tile.metadata.at("model_type"), "\"Superresolution\"");
  EXPECT_EQ(tile.metadata.at("tile_size"), "64");
  EXPECT_EQ(tile.metadata.at("standardization_std"), "[1, 1, 1, 1]");
  EXPECT_EQ(evoland_yaml(model, "a/it's.onnx", {"B2", "B3", "B4", "B8A"}),
            "bands:\n- B2\n- B3\n- B4\n- B8A\nfactor: 3.0\nmargin: " + std::to_string(3 * std::stoi(margin)) +
                "\nmodel: 'it''s.onnx'\n");
  expect_error(Error::Kind::usage, "1 names of bands", [&] { evoland_yaml(model, "a", {"B2"}); });
  expect_error(Error::Kind::usage, "the band B3 is named twice", [&] {
    evoland_yaml(model, "a", {"B2", "B3", "B4", "B3"});
  });
  expect_error(Error::Kind::usage, "no name", [&] { evoland_yaml(model, "a", {"B2", "B3", "", "B: 8"}); });
}

void expect_same(const Model& a, const Model& b) {
  EXPECT_EQ(a.to_checkpoint().meta, b.to_checkpoint().meta);
  const auto &list = a.params->list(), &other = b.params->list();
  ASSERT_EQ(list.size(), other.size());
  for (size_t i = 0; i < list.size(); ++i)
    EXPECT_EQ(list[i].var.value().to_vector(), other[i].var.value().to_vector()) << list[i].name;
}

class OnnxImport : public testing::Test {
 protected:
  Model load(const OnnxModel& graph) {
    save_onnx(path_, graph);
    return model_of_onnx(path_);
  }
  void expect_other(const std::string& part, OnnxModel graph, const std::function<void(OnnxModel&)>& change) {
    change(graph);
    expect_error(Error::Kind::format, part, [&] { load(graph); });
    expect_error(Error::Kind::format, path_, [&] { load(graph); });
  }
  static OnnxNode& first(OnnxModel& graph, const std::string& type) {
    return *std::ranges::find(graph.nodes, type, &OnnxNode::type);
  }

  TestFolder folder_;
  std::string path_ = folder_ / "n.onnx";
};

TEST_F(OnnxImport, GivesBackTheModelThatWasExported) {
  for (const int factor : {2, 3, 4}) {
    const Model model = random_model(factor, factor == 4 ? 4 : 1, 2);
    expect_same(load(onnx_model(model, {})), model);
    expect_same(load(onnx_model(model, {.with_bicubic = true, .range = {{0, 4095}}, .tile = 32})), model);
  }
}

TEST_F(OnnxImport, GivesBackTheOtherNetworkThatWasExported) {
  const Model model = random_span(2, 1);
  expect_same(load(onnx_model(model, {.with_bicubic = true})), model);
  const OnnxModel good = onnx_model(model, {});
  expect_other("1/2 is not subtracted", good, [](OnnxModel& g) {
    std::ranges::find(g.weights, "half", &NamedArray::name)->values = {0.25f};
  });
  expect_other("nodes Sigmoid", good, [](OnnxModel& g) { first(g, "Sigmoid").type = "Tanh"; });
  expect_other("joined with something else", good,
               [](OnnxModel& g) { std::swap(first(g, "Concat").inputs[1], first(g, "Concat").inputs[2]); });
  expect_other("not whole blocks", good, [](OnnxModel& g) { g.metadata.clear(); });
}

// As PyTorch's exporter writes a network whose blocks slice the last channels off: two Slices in the place of
// a Split, a padded output, no metadata.
OnnxModel as_pytorch_writes_it(OnnxModel graph) {
  graph.metadata.clear();
  std::vector<OnnxNode> nodes;
  for (OnnxNode node : graph.nodes) {
    if (node.type == "Sub") continue;
    if (node.type != "Split") {
      for (std::string& input : node.inputs)
        if (input == "shifted") input = "input";
      nodes.push_back(node);
      continue;
    }
    nodes.push_back({"Slice", {node.inputs[0], "zero", "long", "one", "one"}, {node.outputs[1]}, {}});
    nodes.push_back({"Slice", {node.inputs[0], "long", "end", "one"}, {node.outputs[0]}, {}});
  }
  graph.nodes = nodes;
  graph.integers = {{"zero", {0}}, {"one", {1}}, {"long", {48}}, {"end", {INT64_MAX}}};
  return graph;
}

TEST_F(OnnxImport, TurnsBlocksWhoseLastChannelsSkipTheRest) {
  const Model model = random_model(2, 3, 1, 8);
  OnnxModel graph = as_pytorch_writes_it(onnx_model(model, {}));
  graph.nodes.pop_back();  // the shift at the end
  graph.outputs[0].name = graph.nodes.back().outputs[0];
  const Model back = load(graph);
  EXPECT_EQ(back.options(), model.options());
  EXPECT_EQ(back.means.down, (std::vector<double>{0, 0, 0}));
  EXPECT_EQ(back.origin, "imported from n.onnx");
  const Tensor image = random_image({1, 9, 8, 3}, 1);
  expect_near(back.residual(image), run_onnx(graph, image), 1e-5f, "turned");
}

TEST_F(OnnxImport, AnotherNetworkIsAnErrorThatSaysWhatDiffers) {
  const OnnxModel good = onnx_model(random_model(2, 1), {});
  const auto other = [&](const std::string& part, const std::function<void(OnnxModel&)>& change) {
    expect_other(part, good, change);
  };
  other("slope", [](OnnxModel& g) { first(g, "LeakyRelu").attributes["alpha"] = 0.2f; });
  other("nodes LeakyRelu", [](OnnxModel& g) { first(g, "LeakyRelu").type = "Relu"; });
  other("groups, padding or strides", [](OnnxModel& g) {
    first(g, "Conv").attributes["strides"] = std::vector<int64_t>{2, 2};
  });
  other("groups, padding or strides",
        [](OnnxModel& g) { first(g, "Conv").attributes["auto_pad"] = std::string("VALID"); });
  other("of another type", [](OnnxModel& g) { first(g, "Conv").attributes["group"] = 1.0f; });
  other("not split", [](OnnxModel& g) { g.integers.begin()->second = {32, 32}; });
  other("not split", [](OnnxModel& g) { first(g, "Split").attributes["axis"] = int64_t{2}; });
  other("something else is added",
        [](OnnxModel& g) { std::swap(first(g, "Concat").inputs[0], first(g, "Concat").inputs[1]); });
  other("nodes Add", [](OnnxModel& g) { first(g, "Add").type = "Mul"; });
  other("times the image's size", [](OnnxModel& g) {
    first(g, "ConvTranspose").attributes["output_padding"] = std::vector<int64_t>{1, 1};
  });
  other("times the image's size", [](OnnxModel& g) { g.integers.at("upsample.end") = {-2, -2}; });
  other("times the image's size", [](OnnxModel& g) {
    first(g, "ConvTranspose").attributes["strides"] = std::vector<int64_t>{3, 3};
  });
  other("0 nodes ConvTranspose", [](OnnxModel& g) { first(g, "ConvTranspose").type = "Conv"; });
  other("no bias", [](OnnxModel& g) { first(g, "Conv").inputs.pop_back(); });
  other("features.0.bias is missing", [](OnnxModel& g) { g.weights[2].name = "elsewhere"; });
  other("2 nodes Conv", [](OnnxModel& g) { g.nodes.push_back(first(g, "Conv")); });
  other("is done to the image", [](OnnxModel& g) { g.metadata.clear(); });
  other("its options cannot be read", [](OnnxModel& g) { g.metadata["superres"] = "{}"; });
  other("times the image's size", [](OnnxModel& g) {
    NetworkOptions options = random_model(2, 1).options();
    options.crop_begin = 3;
    g.metadata["superres"] = Model(options).to_checkpoint().meta;
  });
}

TEST_F(OnnxImport, WithoutMetadataTheShapesTellTheNetworkOrWhatIsWrong) {
  OnnxModel good = onnx_model(random_model(2, 1), {});
  good.metadata.clear();
  const auto other = [&](const std::string& part, const std::function<void(OnnxModel&)>& change) {
    expect_other(part, good, change);
  };
  other("neither by 2", [](OnnxModel& g) {
    first(g, "ConvTranspose").attributes["strides"] = std::vector<int64_t>{5, 5};
  });
  other("0 transposed", [](OnnxModel& g) { first(g, "ConvTranspose").type = "Conv"; });
  other("no weight", [](OnnxModel& g) { g.weights[1].name = "elsewhere"; });
  other("whole blocks", [](OnnxModel& g) { g.nodes.push_back(first(g, "Conv")); });
}

TEST_F(OnnxImport, AThousandDamagedFilesAreErrorsOrTheNetwork) {
  NetworkOptions options;
  options.num_FB_layers = 1, options.num_Dist_blocks = 0;
  save_onnx(path_, onnx_model(Model(options), {.with_bicubic = true}));
  const std::string whole = read_file(path_, 1 << 24);
  int errors = 0;
  for (unsigned seed = 0; seed < 1000; ++seed) {
    std::ofstream(path_, std::ios::binary) << damaged(whole, seed);
    try {
      model_of_onnx(path_);
    } catch (const Error& error) {
      EXPECT_TRUE(std::string(error.what()).starts_with(path_)) << error.what();
      ++errors;
    }
  }
  EXPECT_GT(errors, 600);  // others change weights, which nothing tells
}

}  // namespace
}  // namespace sr
