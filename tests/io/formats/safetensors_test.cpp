#include "io/formats/safetensors.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>

#include "io/output_file.h"
#include "tests/support/damage.h"
#include "tests/support/expect_error.h"
#include "tests/support/test_folder.h"

namespace sr {
namespace {

// A file as its format says: the header's length in eight bytes, the header, the data.
std::string file_of(const std::string& header, const std::string& data) {
  std::string bytes(8, '\0');
  for (size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>(header.size() >> (8 * i));
  return bytes + header + data;
}

class SafetensorsFile : public testing::Test {
 protected:
  Safetensors load(const std::string& bytes) {
    std::ofstream(path_, std::ios::binary) << bytes;
    return load_safetensors(path_);
  }
  void expect(Error::Kind kind, const std::string& part, const std::string& bytes) {
    expect_error(kind, part, [&] { load(bytes); });
    expect_error(kind, path_, [&] { load(bytes); });
  }

  TestFolder folder_;
  std::string path_ = folder_ / "w.safetensors";
};

TEST_F(SafetensorsFile, GivesBackEveryBitThatWasWritten) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Safetensors file{{{"a \"text\"", "{\"n\": 1}"}, {"b", ""}},
                         {{"z", {2, 1, 1, 2}, {1, -0.0f, 1e-45f, INFINITY}},
                          {"a", {1}, {nan}},
                          {"one", {}, {7}},
                          {"none", {3, 0}, {}}}};
  save_safetensors(path_, file);
  const std::string bytes = read_file(path_, 1 << 20);
  EXPECT_EQ(bytes.size() % 4, 0u) << "the data are aligned";
  const Safetensors back = load(bytes);
  EXPECT_EQ(back.metadata, file.metadata);
  ASSERT_EQ(back.arrays.size(), file.arrays.size());
  for (const NamedArray& array : file.arrays) {
    const auto found = std::ranges::find(back.arrays, array.name, &NamedArray::name);
    ASSERT_NE(found, back.arrays.end()) << array.name;
    EXPECT_EQ(found->shape, array.shape);
    ASSERT_EQ(found->values.size(), array.values.size());
    if (array.values.empty()) continue;
    EXPECT_EQ(std::memcmp(found->values.data(), array.values.data(), 4 * array.values.size()), 0);
  }
  save_safetensors(path_, file);
  EXPECT_EQ(read_file(path_, 1 << 20), bytes) << "the same content gives the same bytes";
}

TEST_F(SafetensorsFile, ReadsHalvesAsTheNumbersThatTheyAre) {
  // IEEE 754 binary16 1, -2, the largest, the smallest denormal, infinity; bfloat16 1, -2; in an order of its
  // own.
  const std::string halves("\x00\x3c\x00\xc0\xff\x7b\x01\x00\x00\x7c", 10), bfloats("\x80\x3f\x00\xc0", 4);
  const Safetensors file = load(file_of(R"({"h":{"dtype":"F16","shape":[5],"data_offsets":[4,14]},)"
                                        R"("b":{"dtype":"BF16","shape":[2,1],"data_offsets":[0,4]}}   )",
                                        bfloats + halves));
  ASSERT_EQ(file.arrays.size(), 2u);
  EXPECT_EQ(file.arrays[0].name, "b");
  EXPECT_EQ(file.arrays[0].values, (std::vector<float>{1, -2}));
  EXPECT_EQ(file.arrays[1].values, (std::vector<float>{1, -2, 65504, 0x1p-24f, INFINITY}));
  EXPECT_TRUE(
      std::isnan(load(file_of(R"({"h":{"dtype":"F16","shape":[1],"data_offsets":[0,2]}})", "\x01\x7c"))
                     .arrays[0]
                     .values[0]));
}

TEST_F(SafetensorsFile, WhatTheFormatForbidsIsAnErrorThatNamesIt) {
  const auto one = [](const std::string& fields) { return "{\"w\":{" + fields + "}}"; };
  const std::string good = R"("dtype":"F32","shape":[2],"data_offsets":[0,8])", eight(8, '\0');
  EXPECT_EQ(load(file_of(one(good), eight)).arrays.size(), 1u);
  const auto damaged_is = [&](const std::string& part, const std::string& bytes) {
    expect(Error::Kind::format, part, bytes);
  };
  damaged_is("no safetensors", "");
  damaged_is("no safetensors", "this is a text and no header");
  damaged_is("truncated: 7 of 8", file_of(one(good), eight.substr(1)));
  damaged_is("1 bytes belong to no array", file_of(one(good), eight + "x"));
  damaged_is("no JSON", file_of(one(good) + "}", eight));
  damaged_is("bytes of the header", file_of(one(good), eight).substr(0, 30));
  damaged_is("\"w\" of shape [3]", file_of(one(R"("dtype":"F32","shape":[3],"data_offsets":[0,8])"), eight));
  damaged_is("\"w\" of shape [4611686018427387904, 4]",
             file_of(one(R"("dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0])"), ""));
  damaged_is("no whole number", file_of(one(R"("dtype":"F32","shape":[-2],"data_offsets":[0,8])"), eight));
  damaged_is("no whole number", file_of(one(R"("dtype":"F32","shape":[2.0],"data_offsets":[0,8])"), eight));
  damaged_is("missing", file_of(one(R"("dtype":"F32","shape":[2])"), eight));
  damaged_is("wrong type", file_of(one(R"("dtype":7,"shape":[2],"data_offsets":[0,8])"), eight));
  damaged_is("wrong type", file_of(R"({"__metadata__":{"n":1}})", ""));
  const std::string a =
      R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":)";
  damaged_is("\"b\" does not begin", file_of(a + "[5,9]}}", eight + "x"));  // a hole
  damaged_is("\"b\" does not begin", file_of(a + "[2,6]}}", "123456"));     // an overlap
  damaged_is("\"b\" does not begin", file_of(a + "[0,4]}}", "1234"));
  expect(Error::Kind::unsupported, "\"w\" is I64",
         file_of(one(R"("dtype":"I64","shape":[1],"data_offsets":[0,8])"), eight));
  std::string huge = file_of(one(good), eight);
  huge[6] = 1;
  damaged_is("a header of", huge);
  EXPECT_THROW(load(file_of(std::string(100'000, '['), "")), Error);
}

TEST_F(SafetensorsFile, WhatCannotBeWrittenIsRefused) {
  const auto refuses = [&](const std::string& part, const Safetensors& file) {
    expect_error(Error::Kind::usage, part, [&] { save_safetensors(path_, file); });
  };
  refuses("two arrays", {{}, {{"a", {1}, {1}}, {"a", {1}, {2}}}});
  refuses("\"a\" of shape [2] has 1", {{}, {{"a", {2}, {1}}}});
  refuses("UTF-8", {{{"key", "\xff"}}, {}});
  expect_error(Error::Kind::io, "missing", [&] { load_safetensors(folder_ / "missing"); });
}

TEST_F(SafetensorsFile, AThousandDamagedFilesAreErrorsOrFilesOfTheFormat) {
  save_safetensors(path_, {{{"superres", "{}"}},
                           {{"features.0.weight", {8, 1, 3, 3}, std::vector<float>(72, 1)},
                            {"features.0.bias", {8}, std::vector<float>(8, 2)},
                            {"upsample.weight", {8, 1, 5, 5}, std::vector<float>(200, 3)}}});
  const std::string whole = read_file(path_, 1 << 20);
  int errors = 0;
  for (unsigned seed = 0; seed < 1000; ++seed) try {
      for (const NamedArray& array : load(damaged(whole, seed).substr(0, 1 << 20)).arrays)
        EXPECT_EQ(count_of(array.shape), static_cast<int64_t>(array.values.size()));
    } catch (const Error& error) {
      EXPECT_TRUE(std::string(error.what()).starts_with(path_)) << error.what();
      ++errors;
    }
  EXPECT_GT(errors, 900);  // others change a name, a text or a value
}

}  // namespace
}  // namespace sr
