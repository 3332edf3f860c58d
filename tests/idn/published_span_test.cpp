// SPAN under its authors' names. The tables' values are those of another implementation (PyTorch's operations
// in double precision) for the same weights, which need no file: numbers in a pattern.
#include "idn/published_span.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <span>

#include "idn/safetensors_weights.h"
#include "idn/super_resolve.h"
#include "io/formats/safetensors.h"
#include "tests/support/expect_error.h"
#include "tests/support/test_folder.h"

namespace sr {
namespace {

// 5 x 7 pixels of three channels at x2, means taken off.
constexpr float kOfColours[] = {
    0.8033424f,    0.7017368f,   0.5010133f,  0.5987324f,  0.3446084f,   0.2405722f, 0.5976764f, 0.3311017f,
    0.7500019f,    0.6062864f,   0.186425f,   0.7339471f,  0.8301087f,   0.5384499f, 0.5626834f, 0.6382354f,
    0.1243854f,    0.9078304f,   1.035356f,   0.3785928f,  0.3204243f,   0.2397807f, 0.1735672f, 1.166669f,
    0.5066061f,    0.005160664f, 0.231217f,   0.1160673f,  0.1521178f,   0.8567006f, 0.7087132f, 0.5793652f,
    0.4118076f,    -0.0207826f,  0.292182f,   1.01699f,    0.8613579f,   0.5876443f, 0.4309742f, 0.2309316f,
    0.443989f,     0.6874776f,   0.7338021f,  0.4546195f,  0.4997542f,   0.1500864f, 0.6334061f, 0.2508022f,
    0.860171f,     0.6061043f,   0.3340392f,  0.5593018f,  0.7080361f,   0.8403481f, 0.8036663f, 0.7604911f,
    0.03542787f,   0.1333484f,   1.026387f,   0.6736495f,  0.7353371f,   1.205005f,  0.5928708f, -0.0956657f,
    0.7568809f,    0.2665132f,   1.34366f,    0.745732f,   0.6980283f,   0.5443058f, 0.7292223f, 0.8825478f,
    0.942593f,     0.7033943f,   0.614677f,   0.6383488f,  0.6442952f,   0.5737042f, 0.8326327f, 0.8915672f,
    0.7408937f,    0.5079364f,   0.2878378f,  0.5586425f,  0.4783096f,   0.6743374f, 0.4530074f, 0.8313691f,
    0.09764533f,   0.5558553f,   0.5806455f,  0.4193182f,  0.7160631f,   0.6100869f, 0.2741984f, 0.9707559f,
    0.2603352f,    0.5324324f,   0.6485915f,  0.3976197f,  0.2763624f,   0.8873621f, 0.5070737f, 0.5432271f,
    0.7242315f,    0.7422421f,   0.9844792f,  0.9464519f,  0.1521129f,   0.9532364f, 0.1848948f, 0.4002997f,
    -0.04946559f,  0.7932088f,   0.7968693f,  0.7228838f,  0.4283352f,   0.1538494f, 0.2684784f, 1.352137f,
    0.4058608f,    0.3668719f,   0.5734293f,  0.2647452f,  -0.04245246f, 1.140976f,  1.151651f,  0.3558434f,
    0.8098621f,    0.3980849f,   0.5026546f,  0.3177868f,  1.06361f,     0.98807f,   0.9852445f, 0.8219673f,
    0.5471653f,    0.7816868f,   1.096728f,   0.6141189f,  0.6017803f,   1.053859f,  0.5901736f, 0.9064677f,
    1.082177f,     1.181259f,    0.7093428f,  0.7670514f,  0.6864955f,   1.270261f,  1.20024f,   0.7419259f,
    0.9309753f,    0.9509126f,   0.8035328f,  0.8662994f,  1.012144f,    0.9505966f, 1.28711f,   1.193034f,
    0.4831759f,    0.6685444f,   1.12108f,    0.8108514f,  0.9775527f,   0.9172026f, 0.2250407f, 0.3981635f,
    0.7740747f,    0.6272242f,   0.4129643f,  0.8230436f,  0.498256f,    0.6826096f, 0.6862773f, 0.448505f,
    0.4956957f,    0.5260169f,   0.4007917f,  0.9379778f,  0.4047823f,   0.5269597f, 0.6304572f, 0.1587625f,
    0.186027f,     1.222833f,    0.3874129f,  0.2463194f,  0.7072467f,   0.6583809f, 0.2350494f, 0.7824362f,
    -0.0360156f,   0.2731754f,   0.8705747f,  0.6417653f,  -0.2074509f,  0.7912129f, 0.5613503f, 0.5159889f,
    0.4267609f,    0.3693825f,   -0.1298389f, 1.412425f,   0.3855586f,   0.1351292f, 0.7271098f, 0.2655691f,
    -0.05402872f,  0.919396f,    1.227584f,   0.5826715f,  0.6035029f,   0.280176f,  0.5791518f, 0.2888856f,
    1.195445f,     1.044737f,    0.7889024f,  0.6969271f,  0.5307978f,   0.6180254f, 1.057921f,  0.8812889f,
    1.023054f,     0.9562501f,   0.09861083f, 0.3906605f,  1.418832f,    0.8163339f, 1.140519f,  1.134802f,
    0.3903997f,    0.6527502f,   1.271048f,   0.2820264f,  0.5290478f,   1.31337f,   0.6011081f, 0.6363392f,
    0.750435f,     1.110201f,    1.141898f,   0.9168208f,  0.7297509f,   0.5821499f, 1.07592f,   0.7671382f,
    0.9336197f,    0.9910491f,   0.3178131f,  0.4405127f,  0.9031039f,   0.6547202f, 0.3781749f, 0.5362927f,
    0.4652317f,    0.8344633f,   0.3633373f,  0.6565927f,  0.5892054f,   0.3326872f, 0.5930379f, 0.8896218f,
    0.3301865f,    0.5288437f,   0.5466174f,  0.4039489f,  0.3379861f,   0.8567271f, 0.2269246f, 0.4183076f,
    0.5538585f,    0.4400433f,   0.1052961f,  1.170184f,   0.4325335f,   0.3148776f, 0.7916049f, 0.4497496f,
    -0.4079974f,   0.8288574f,   0.7714356f,  0.02503025f, 0.4459297f,   0.5337128f, -0.157581f, 1.672129f,
    0.3012212f,    0.1226566f,   0.5201478f,  0.2515512f,  -0.2633214f,  1.041129f,  1.307448f,  0.6838122f,
    0.7118883f,    0.5056647f,   0.4144659f,  0.5133713f,  1.289447f,    1.031756f,  1.055892f,  0.7037351f,
    0.3396538f,    0.6242634f,   1.002965f,   0.7606599f,  0.6901187f,   0.7397944f, 0.1458447f, 0.604586f,
    1.305663f,     1.045368f,    0.7660453f,  0.5601061f,  0.6367315f,   0.7072072f, 1.527517f,  0.6221877f,
    0.5953286f,    0.9285273f,   0.502284f,   0.1074877f,  1.191131f,    1.394879f,  0.7611648f, 0.7370634f,
    0.5678137f,    0.5278678f,   1.475084f,   1.116208f,   1.058205f,    0.832045f,  0.1466417f, 0.3162518f,
    0.5993985f,    0.989702f,    0.2799517f,  0.3981455f,  0.4408437f,   0.8021432f, 0.4951837f, 0.7857388f,
    0.8063508f,    0.3134966f,   0.3694872f,  0.6769534f,  0.3019973f,   0.4424282f, 0.7194186f, 0.6304032f,
    -0.008354091f, 0.9953745f,   0.1380407f,  0.2096494f,  0.5893805f,   0.4774236f, 0.3440561f, 0.7519698f,
    0.1410652f,    0.5111289f,   0.7111352f,  0.2085719f,  0.1673084f,   0.8882934f, 0.5448126f, 0.5942545f,
    0.8000666f,    0.3697949f,   0.3800122f,  1.064224f,   0.2994131f,   0.3897397f, 0.5776392f, 0.4250151f,
    0.1347372f,    0.6287582f,   0.986826f,   0.7016437f,  0.8704623f,   0.9253498f, 0.4657252f, 0.7264668f,
    1.173792f,     0.6736416f,   0.9980921f,  0.9904391f,  0.5706356f,   0.7607084f, 0.559586f,  0.7720907f,
    0.6525846f,    0.6893375f,   0.5512348f,  0.2798912f,  1.148878f,    0.9558565f, 0.5346933f, 0.8349816f,
    0.5725087f,    0.6981931f,   1.015506f,   0.7130384f,  0.6348505f,   0.9024306f, 0.6537321f, 0.5876198f,
    0.7872541f,    1.291731f,    0.6026889f,  0.8835922f,  0.6265586f,   0.6002528f, 0.9294254f, 0.923602f,
    0.5607734f,    0.7918311f,   0.6690351f,  0.3857903f,
};

// 3 x 4 pixels of one channel at x3, as they are.
constexpr float kOfOneBand[] = {
    0.2113663f,  1.007994f,   0.6915887f,   0.4367366f,  0.8358567f,  0.7239005f, 0.4350897f,   1.043687f,
    0.7767965f,  0.3708711f,  0.7342221f,   0.5105515f,  0.2593763f,  0.4677902f, 0.2529237f,   0.4748112f,
    0.3350927f,  -0.2543754f, 0.719299f,    0.3863655f,  -0.3329384f, 0.6296556f, 0.1106874f,   -0.1677463f,
    0.9927363f,  0.5002941f,  0.07607447f,  0.7764849f,  0.3788773f,  0.4730351f, 0.6232529f,   0.03617574f,
    0.7677924f,  0.2080034f,  0.4767677f,   0.803329f,   1.017925f,   0.8728272f, 0.3559907f,   1.272932f,
    0.6396422f,  0.3263361f,  1.25753f,     0.928259f,   1.023677f,   0.7373623f, 0.8550296f,   1.046428f,
    -0.1821329f, 1.057151f,   0.9207837f,   0.08199524f, 1.474197f,   1.033506f,  0.1826761f,   1.3094f,
    0.7874117f,  0.6560197f,  1.255404f,    0.5039728f,  0.724288f,   0.6995459f, 0.3402297f,   0.6046628f,
    0.124549f,   0.6230362f,  0.08814628f,  0.05127227f, 0.6588825f,  -0.18699f,  -0.02893389f, 0.7948329f,
    0.8793972f,  0.3681599f,  0.6911169f,   1.022522f,   0.5882792f,  0.7814092f, 0.7955742f,   0.2667113f,
    0.9162098f,  0.3198552f,  0.530758f,    0.7750789f,  -0.6952898f, 0.7677f,    0.8391742f,   -0.1951103f,
    0.9134033f,  0.6299349f,  -0.07887892f, 0.7917853f,  0.7753001f,  0.1531699f, 1.023901f,    0.3013329f,
    0.7775181f,  1.128424f,   0.4741692f,   0.1336833f,  0.6582105f,  0.9060124f, 0.2093279f,   0.5208768f,
    0.8664043f,  0.1510951f,  -0.2883395f,  0.6520037f,
};

std::vector<float> numbers(int64_t count, int64_t salt, double deviation) {
  std::vector<float> list;
  for (int64_t i = 0; i < count; ++i)
    list.push_back(static_cast<float>(
        static_cast<double>((i * i * 131 + i * 7919 + salt * 104729) % 1009 - 504) / 504 * deviation));
  return list;
}

Tensor image_of(const Shape& shape) {
  std::vector<float> values = numbers(shape.size(), 50, 0.5);
  for (float& value : values) value += 0.5f;
  return Tensor::from(shape, values);
}

using Shapes = std::map<std::string, std::vector<int64_t>>;

void add(Shapes& to, const std::string& part, int64_t out, int64_t in, int64_t kernel) {
  to[part + ".weight"] = {out, in, kernel, kernel}, to[part + ".bias"] = {out};
}

Shapes shapes_of(int64_t channels, int64_t nchan, int64_t factor) {
  Shapes shapes;
  const auto branched = [&](const std::string& part, int64_t in) {
    add(shapes, part + ".conv.0", 2 * in, in, 1), add(shapes, part + ".conv.1", 2 * channels, 2 * in, 3);
    add(shapes, part + ".conv.2", channels, 2 * channels, 1), add(shapes, part + ".sk", channels, in, 1);
  };
  branched("conv_1", nchan), branched("conv_2", channels);
  for (const std::string block : {"1", "2", "3", "4", "5", "6"})
    for (const std::string k : {"1", "2", "3"}) branched("block_" + block + ".c" + k + "_r", channels);
  add(shapes, "conv_cat", channels, 4 * channels, 1);
  add(shapes, "upsampler.0", nchan * factor * factor, channels, 3);
  return shapes;
}

Safetensors file_of(int64_t channels, int64_t nchan, int64_t factor, bool normed) {
  Safetensors file;
  for (int64_t salt = 1; const auto& [name, shape] : shapes_of(channels, nchan, factor)) {
    const int64_t count = count_of(shape);
    double deviation = 1;
    if (name.ends_with("weight"))
      deviation = (normed && name.starts_with("conv_1.") ? 1.0 / 64 : 1.0) * 1.8 /
                  std::sqrt(static_cast<double>(count / shape[0]));
    if (name.starts_with("upsampler.0")) deviation = 0.05;
    NamedArray array{name, shape, numbers(count, salt++, deviation)};
    if (name == "upsampler.0.bias")
      for (float& value : array.values) value += 0.45f;
    file.arrays.push_back(array);
  }
  if (!normed) file.arrays.push_back({"no_norm", {1}, {0}});
  return file;
}

NamedArray& named(Safetensors& file, const std::string& name) {
  return *std::ranges::find(file.arrays, name, &NamedArray::name);
}

class PublishedSpan : public testing::Test {
 protected:
  Model load(const Safetensors& file) {
    save_safetensors(path_, file);
    return model_of_safetensors(path_);
  }
  void expect_other(const std::string& part, const std::function<void(Safetensors&)>& change,
                    Safetensors file = file_of(16, 3, 2, true)) {
    change(file);
    expect_error(Error::Kind::format, part, [&] { load(file); });
    expect_error(Error::Kind::format, path_, [&] { load(file); });
  }
  static void expect_near(const Model& model, const Tensor& image, std::span<const float> expected) {
    const Tensor result = super_resolve(model, image, {});
    ASSERT_EQ(result.shape().size(), std::ssize(expected));
    for (size_t i = 0; i < expected.size(); ++i) ASSERT_NEAR(result.data()[i], expected[i], 2e-5) << i;
  }

  TestFolder folder_;
  std::string path_ = folder_ / "published.safetensors";
};

TEST_F(PublishedSpan, MakesTheImageThatAnotherImplementationMakes) {
  const Model model = load(file_of(16, 3, 2, true));
  const SpanOptions span{.channels = 16, .blocks = 6, .branches = false, .joined = 32};
  EXPECT_EQ(model.options(), (NetworkOptions{.factor = 2, .nchan = 3, .span = span, .base = Base::none}));
  EXPECT_EQ(model.means, (MeanValues{{0, 0, 0}, {0.4488, 0.4371, 0.4040}, {0, 0, 0}}));
  EXPECT_EQ(model.origin, "imported from published.safetensors (SPAN as its authors publish it)");
  expect_near(model, image_of({1, 5, 7, 3}), kOfColours);
}

// Its channels are filled up, and its biases for each fine pixel find room among them.
TEST_F(PublishedSpan, IsTakenWithoutMeansAndWithChannelsThatAreNoMultipleOf16) {
  const Model model = load(file_of(12, 1, 3, false));
  const SpanOptions span{.channels = 16, .blocks = 6, .branches = false, .joined = 0};
  EXPECT_EQ(model.options(), (NetworkOptions{.factor = 3, .nchan = 1, .span = span, .base = Base::none}));
  EXPECT_EQ(model.means.down, std::vector<double>{0});
  expect_near(model, image_of({1, 3, 4, 1}), kOfOneBand);
}

TEST_F(PublishedSpan, ComesBackFromASafetensorsFileOfOurs) {
  const Model model = load(file_of(16, 3, 2, true));
  save_model_as_safetensors(path_, model);
  const Model back = model_of_safetensors(path_);
  EXPECT_EQ(back.to_checkpoint().meta, model.to_checkpoint().meta);
  expect_near(back, image_of({1, 5, 7, 3}), kOfColours);
}

// What it computes with is as old as the last image that was made, and may be all there is.
TEST_F(PublishedSpan, BranchesGoBeforeWhatWasMadeOfThemWhichIsTakenWhereTheyAreMissing) {
  const Safetensors branched = file_of(16, 3, 2, true);
  const Model expected = load(branched);
  Safetensors stale = branched, deployed{{}, {}}, plain{{}, {}};
  const auto take = [&](const std::string& theirs, const std::string& ours) {
    for (const std::string end : {".weight", ".bias"}) {
      const Tensor value =
          std::ranges::find(expected.params->list(), ours + end, &Parameter::name)->var.value();
      NamedArray array{"", {value.shape().c}, value.to_vector()};
      if (end == ".weight") {
        const Shape& s = value.shape();
        array.shape = {s.n, s.c, 3, 3};
        for (int64_t i = 0; i < s.size(); ++i)
          array.values[static_cast<size_t>(((i / (9 * s.c)) * s.c + i % s.c) * 9 + i / s.c % 9)] =
              value.data()[i] * (theirs == "conv_1" ? 256.0f / 255 : 1);
      }
      NamedArray old = array;
      std::ranges::fill(old.values, 7.0f);
      old.name = theirs + ".eval_conv" + end, stale.arrays.push_back(old);
      array.name = old.name, deployed.arrays.push_back(array);
      array.name = theirs + end, plain.arrays.push_back(array);
    }
  };
  take("conv_1", "features"), take("conv_2", "last");
  for (const std::string block : {"1", "2", "3", "4", "5", "6"})
    for (const std::string k : {"1", "2", "3"})
      take("block_" + block + ".c" + k + "_r",
           "blocks." + std::to_string(std::stoi(block) - 1) + ".conv" + k);
  for (const NamedArray& array : branched.arrays)
    if (array.name.starts_with("conv_cat") || array.name.starts_with("upsampler"))
      deployed.arrays.push_back(array), plain.arrays.push_back(array);
  for (const Safetensors* file : {&stale, &deployed, &plain})
    expect_near(load(*file), image_of({1, 5, 7, 3}), kOfColours);
}

TEST_F(PublishedSpan, ThePrefixesOfItsTrainingAreKnownAndTheAverageIsTaken) {
  Safetensors file = file_of(16, 3, 2, true), both = file;
  for (NamedArray& array : file.arrays) array.name = "params." + array.name;
  expect_near(load(file), image_of({1, 5, 7, 3}), kOfColours);
  for (NamedArray& array : file.arrays) std::ranges::fill(array.values, 3.0f);
  for (NamedArray& array : both.arrays) {
    array.name = "params_ema." + array.name;
    file.arrays.push_back(array);
  }
  expect_near(load(file), image_of({1, 5, 7, 3}), kOfColours);
}

TEST_F(PublishedSpan, WhatIsMissingUnknownOrOfAnotherShapeIsNamed) {
  const auto renamed = [](const char* name, const char* other) {
    return [=](Safetensors& f) { named(f, name).name = other; };
  };
  expect_other("\"block_3.c2_r.conv.1.bias\" is missing", renamed("block_3.c2_r.conv.1.bias", "other"));
  expect_other("\"block_3.c2_r.sk.weight\" is missing", renamed("block_3.c2_r.sk.weight", "other"));
  expect_other("\"block_3.c2_r.weight\" is missing", renamed("block_3.c2_r.conv.0.weight", "other"));
  expect_other("\"upsampler.0.weight\" is missing", renamed("upsampler.0.weight", "up.weight"));
  expect_other("\"other\" is no part of the published SPAN", [](Safetensors& f) {
    f.arrays.push_back({"other", {1}, {0}});
  });
  const auto shaped = [](const char* name, std::vector<int64_t> shape) {
    return [=](Safetensors& f) {
      named(f, name).values.resize(static_cast<size_t>(count_of(shape)));
      named(f, name).shape = shape;
    };
  };
  expect_other("\"conv_cat.weight\" is [16, 48, 1, 1], want [16, 64, 1, 1]",
               shaped("conv_cat.weight", {16, 48, 1, 1}));
  expect_other("\"block_1.c1_r.conv.2.weight\" is [16, 30, 1, 1], want [16, 32, 1, 1]",
               shaped("block_1.c1_r.conv.2.weight", {16, 30, 1, 1}));
  expect_other("\"conv_1.conv.0.weight\" is [], want [0, 3, 1, 1]", shaped("conv_1.conv.0.weight", {}));
  expect_other("\"conv_1.sk.weight\" is [16], no convolution's weight", shaped("conv_1.sk.weight", {16}));
  expect_other("\"upsampler.0.weight\" is [75, 16, 3, 3], which enlarges 3 channels neither by 2, 3 nor 4",
               shaped("upsampler.0.weight", {75, 16, 3, 3}));
  expect_other("features.weight holds NaN or infinity", [](Safetensors& f) {
    named(f, "conv_1.sk.weight").values[0] = std::numeric_limits<float>::quiet_NaN();
  });
  expect_other(
      "it takes 1 channels, and without a \"no_norm\"", [](auto&) {}, file_of(16, 1, 2, true));
}

}  // namespace
}  // namespace sr
