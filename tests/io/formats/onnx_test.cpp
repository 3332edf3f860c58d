#include "io/formats/onnx.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>

#include "io/output_file.h"
#include "tests/support/caffe_file.h"
#include "tests/support/damage.h"
#include "tests/support/expect_error.h"
#include "tests/support/test_folder.h"

namespace sr {
namespace {

OnnxModel small_model() {
  OnnxModel model;
  model.producer = "a test", model.name = "net";
  model.inputs = {{"x", {"n", "1", "h", "w"}}};
  model.outputs = {{"z", {"n", "2", "h", "w"}}};
  model.nodes = {{"Conv",
                  {"x", "w", "", "b"},
                  {"y"},
                  {{"pads", std::vector<int64_t>{1, 1, 1, -1}}, {"group", int64_t{1}}}},
                 {"Other", {"y", "n"}, {"z"}, {{"alpha", 0.05f}, {"mode", std::string("edge")}}}};
  model.weights = {{"w", {2, 1, 1, 1}, {1.5f, -0.0f}}, {"b", {2}, {1e-45f, 3}}};
  model.integers = {{"n", {16, -48}}};
  model.metadata = {{"key", "\xc3\xa4"}, {"superres", "{}"}};
  return model;
}

class OnnxFile : public testing::Test {
 protected:
  OnnxModel load(const std::string& bytes) {
    std::ofstream(path_, std::ios::binary) << bytes;
    return load_onnx(path_);
  }

  TestFolder folder_;
  std::string path_ = folder_ / "n.onnx";
};

TEST_F(OnnxFile, GivesBackWhatWasWritten) {
  const OnnxModel model = small_model();
  save_onnx(path_, model);
  const std::string bytes = read_file(path_, 1 << 20);
  const OnnxModel back = load(bytes);
  EXPECT_EQ(back.opset, 13);
  EXPECT_EQ(back.producer, model.producer);
  EXPECT_EQ(back.name, model.name);
  EXPECT_EQ(back.metadata, model.metadata);
  EXPECT_EQ(back.integers, model.integers);
  ASSERT_EQ(back.nodes.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(back.nodes[i].type, model.nodes[i].type);
    EXPECT_EQ(back.nodes[i].inputs, model.nodes[i].inputs);
    EXPECT_EQ(back.nodes[i].outputs, model.nodes[i].outputs);
    EXPECT_EQ(back.nodes[i].attributes, model.nodes[i].attributes);
    EXPECT_EQ(back.weights.at(i).name, model.weights[i].name);
    EXPECT_EQ(back.weights[i].shape, model.weights[i].shape);
    EXPECT_EQ(std::memcmp(back.weights[i].values.data(), model.weights[i].values.data(), 8), 0);
  }
  EXPECT_EQ(back.inputs.at(0).shape, model.inputs[0].shape);
  EXPECT_EQ(back.outputs.at(0).shape, model.outputs[0].shape);
  save_onnx(path_, model);
  EXPECT_EQ(read_file(path_, 1 << 20), bytes) << "the same content gives the same bytes";
}

// Written by hand, with the numbers of ONNX's published schema.
std::string node(const std::string& type, const std::string& attributes, const std::string& output) {
  return field(1, field(2, output) + field(4, type) + attributes);
}
std::string floats(const std::string& name, uint64_t type, const std::string& values) {
  return field(1, 2) + field(2, type) + field(8, name) + values;
}
std::string file_of(const std::string& graph) {
  return field(1, 8) + field(7, graph) + field(8, field(2, 18));
}

TEST_F(OnnxFile, ReadsConstantsWhereverTheyStand) {
  const std::string two("\0\0\x80\x3f\0\0\0\x40", 8), whole("\x10\0\0\0\0\0\0\0\x20\0\0\0\0\0\0\0", 16);
  const OnnxModel model = load(file_of(
      field(5, floats("raw", 1, field(9, two))) + field(5, floats("list", 1, field(4, two))) +
      node("Constant", field(5, field(1, "value") + field(5, floats("", 7, field(9, whole))) + field(20, 4)),
           "sizes") +
      node("Constant", field(5, field(1, "value_ints") + field(8, 3) + field(8, 4) + field(20, 7)), "ints") +
      node("Relu", "", "y")));
  EXPECT_EQ(model.opset, 18);
  ASSERT_EQ(model.nodes.size(), 1u);
  EXPECT_EQ(model.nodes[0].type, "Relu");
  ASSERT_EQ(model.weights.size(), 2u);
  for (const NamedArray& w : model.weights) EXPECT_EQ(w.values, (std::vector<float>{1, 2}));
  EXPECT_EQ(model.integers.at("sizes"), (std::vector<int64_t>{16, 32}));
  EXPECT_EQ(model.integers.at("ints"), (std::vector<int64_t>{3, 4}));
}

TEST_F(OnnxFile, WhatCannotBeReadIsAnErrorThatNamesIt) {
  const auto expect = [&](Error::Kind kind, const std::string& part, const std::string& bytes) {
    expect_error(kind, part, [&] { load(bytes); });
    expect_error(kind, path_, [&] { load(bytes); });
  };
  const std::string relu = node("Relu", "", "y");
  expect(Error::Kind::format, "no ONNX", "");
  expect(Error::Kind::format, "no ONNX", "this is a text\n");
  expect(Error::Kind::format, "no ONNX", file_of(""));
  expect(Error::Kind::format, "\"w\" of shape [2]",
         file_of(relu + field(5, floats("w", 1, field(9, "1234")))));
  expect(Error::Kind::format, "\"w\" of shape [2]",
         file_of(relu + field(5, floats("w", 1, field(9, "123456789")))));
  expect(Error::Kind::unsupported, "external_data=False",
         file_of(relu + field(5, floats("w", 1, field(14, 1)))));
  expect_error(Error::Kind::io, "missing", [&] { load_onnx(folder_ / "missing"); });
}

TEST_F(OnnxFile, AThousandDamagedFilesNeverCrash) {
  save_onnx(path_, small_model());
  const std::string whole = read_file(path_, 1 << 20);
  int errors = 0;
  for (unsigned seed = 0; seed < 1000; ++seed) try {
      for (const NamedArray& w : load(damaged(whole, seed)).weights)
        EXPECT_EQ(count_of(w.shape), static_cast<int64_t>(w.values.size()));
    } catch (const Error& error) {
      EXPECT_TRUE(std::string(error.what()).starts_with(path_)) << error.what();
      ++errors;
    }
  EXPECT_GT(errors, 400);  // a protobuf message has no checksum: others lose a node or change a text
}

}  // namespace
}  // namespace sr
