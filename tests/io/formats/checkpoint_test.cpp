#include "io/formats/checkpoint.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <random>

#include "io/bytes.h"
#include "io/crc32c.h"
#include "io/json_text.h"
#include "io/output_file.h"
#include "tensor/error.h"

namespace sr {
namespace {

using nlohmann::json;

class CheckpointFile : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() /
              ("io_formats_checkpoint_test-" + std::to_string(::getpid()) + "-" +
               testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(folder_);
    path_ = (folder_ / "net.ckpt").string();
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // Not with write_file: thousands of fsyncs would take minutes.
  void put(const std::string& bytes) { std::ofstream(path_, std::ios::binary) << bytes; }

  // Kind and text of the error that loading `bytes` gives. Fails the test if it loads.
  std::pair<Error::Kind, std::string> error_of(const std::string& bytes) {
    put(bytes);
    try {
      load_checkpoint(path_);
    } catch (const Error& error) {
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
      EXPECT_NE(std::string(error.what()).find(path_), std::string::npos) << error.what();
      return {error.kind(), error.what()};
    }
    ADD_FAILURE() << "no error";
    return {};
  }

  std::filesystem::path folder_;
  std::string path_;
};

Checkpoint small() {
  Checkpoint checkpoint;
  checkpoint.meta = R"({"factor":2,"range":[0.0,255.0],"text":"a \"quoted\" [ { \\"})";
  checkpoint.tensors.emplace_back("conv1.weight",
                                  Tensor::from({2, 1, 3, 1}, std::vector<float>{1, -2, 3, 4, 5, 6}));
  checkpoint.tensors.emplace_back("conv1.bias", Tensor::from({1, 1, 1, 2}, std::vector<float>{0.5f, -0.0f}));
  return checkpoint;
}

std::string saved(const std::string& path, const Checkpoint& checkpoint) {
  save_checkpoint(path, checkpoint);
  return read_file(path, 1 << 20);
}

// A checkpoint file with this header, and data, and right checksums wherever the loader looks for one.
std::string file_with(const std::string& header, std::string_view data, uint32_t version = 1) {
  ByteWriter out;
  out.append("\x89SRCKPT\n");
  out.number(version);
  out.number(static_cast<uint32_t>(header.size()));
  out.number<uint64_t>((32 + header.size() + 63) / 64 * 64 + data.size());
  out.number(crc32c(std::as_bytes(std::span(header))));
  out.number(crc32c(out.bytes()));
  out.append(header);
  out.align(64);
  out.append(data);
  return {reinterpret_cast<const char*>(out.bytes().data()), out.bytes().size()};
}

uint32_t crc_of(std::string_view data) {
  return crc32c(std::as_bytes(std::span(data)));
}

TEST_F(CheckpointFile, ComesBackToTheBit) {
  Checkpoint checkpoint = small();
  const float signalling = std::bit_cast<float>(0x7fa12345u);
  checkpoint.tensors.emplace_back(
      "odd values", Tensor::from({1, 1, 5, 1}, std::vector<float>{std::nanf(""), signalling, 1e-42f, -0.0f,
                                                                  std::numeric_limits<float>::infinity()}));
  save_checkpoint(path_, checkpoint);
  const Checkpoint loaded = load_checkpoint(path_);
  EXPECT_EQ(json::parse(loaded.meta), json::parse(checkpoint.meta));
  ASSERT_EQ(loaded.tensors.size(), checkpoint.tensors.size());
  for (size_t i = 0; i < loaded.tensors.size(); ++i) {
    EXPECT_EQ(loaded.tensors[i].first, checkpoint.tensors[i].first);
    const Tensor &a = loaded.tensors[i].second, &b = checkpoint.tensors[i].second;
    ASSERT_EQ(a.shape(), b.shape());
    EXPECT_EQ(std::memcmp(a.data(), b.data(), static_cast<size_t>(4 * a.shape().size())), 0);
  }
}

TEST_F(CheckpointFile, SameContentGivesTheSameBytes) {
  const std::string first = saved(path_, small());
  EXPECT_EQ(first, saved((folder_ / "again").string(), small()));
  EXPECT_EQ(first, saved((folder_ / "copy").string(), load_checkpoint(path_)));
  EXPECT_EQ(first.size() % 64, 8u);  // the last tensor has two floats and nothing follows
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 3);  // no temporary file is left
}

TEST_F(CheckpointFile, MayHoldNoTensorAndViews) {
  EXPECT_TRUE((saved(path_, {}), load_checkpoint(path_)).tensors.empty());
  Checkpoint views;
  const Tensor whole = Tensor::from({1, 1, 2, 3}, std::vector<float>{1, 2, 3, 4, 5, 6});
  views.tensors.emplace_back("part", whole.channels(1, 3));
  save_checkpoint(path_, views);
  EXPECT_EQ(load_checkpoint(path_).tensors[0].second.to_vector(), (std::vector<float>{2, 3, 5, 6}));
}

TEST_F(CheckpointFile, WhatCannotBeLoadedIsNotSaved) {
  const Tensor one = Tensor::zeros({1, 1, 1, 1});
  const auto refused = [&](Checkpoint checkpoint) {
    EXPECT_THROW(save_checkpoint(path_, checkpoint), Error);
    EXPECT_FALSE(std::filesystem::exists(path_));
  };
  refused({"{}", {{"same", one}, {"same", one}}});
  refused({"{}", {{"", one}}});
  refused({"{}", {{std::string(257, 'x'), one}}});
  refused({"{}", {{"not UTF-8: \xff", one}}});
  refused({"{}", {{"no tensor", Tensor()}}});
  refused({"{}", {{"empty", Tensor::zeros({1, 0, 1, 1})}}});
  refused({"{}", {{"half", Tensor({1, 1, 1, 1}, DType::f16)}}});
  refused({"[]", {}});
  refused({"{", {}});
  refused({"", {}});
  refused({"{\"a\":" + std::string(100, '[') + std::string(100, ']') + "}", {}});
  refused({"{\"a\":\"" + std::string(17 << 20, 'x') + "\"}", {}});
  save_checkpoint(path_, {"{}", {{std::string(256, 'x'), one}}});
}

TEST_F(CheckpointFile, TruncatedAtAnyLengthIsAnError) {
  const std::string whole = saved(path_, small());
  for (size_t length = 0; length < whole.size(); ++length) {
    const auto [kind, text] = error_of(whole.substr(0, length));
    EXPECT_EQ(kind, Error::Kind::format);
    const size_t of = length < 32 ? 32 : whole.size();
    const std::string expected = length == 0
                                     ? std::string("an empty file")
                                     : "truncated: " + std::to_string(length) + " of " + std::to_string(of);
    EXPECT_NE(text.find(expected), std::string::npos) << text;
  }
  EXPECT_NE(error_of(whole + "x").second.find("1 bytes follow"), std::string::npos);
}

TEST_F(CheckpointFile, FlippedBitAnywhereIsAnError) {
  const std::string whole = saved(path_, small());
  for (size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    std::string flipped = whole;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    const auto [kind, text] = error_of(flipped);
    ASSERT_EQ(kind, Error::Kind::format) << "bit " << bit;
    ASSERT_NE(text.find(bit < 64 ? "not a checkpoint" : "corrupted"), std::string::npos)
        << bit << " " << text;
  }
}

TEST_F(CheckpointFile, ErrorSaysWhichPartIsDamaged) {
  const std::string whole = saved(path_, small());
  const auto text_with_damage_at = [&](size_t position) {
    std::string damaged = whole;
    damaged[position] = static_cast<char>(damaged[position] ^ 0x55);
    return error_of(damaged).second;
  };
  EXPECT_NE(text_with_damage_at(12).find("first 32 bytes"), std::string::npos);
  EXPECT_NE(text_with_damage_at(40).find("header"), std::string::npos);
  EXPECT_NE(text_with_damage_at(whole.size() - 8 - 64).find("tensor \"conv1.weight\""), std::string::npos);
  EXPECT_NE(text_with_damage_at(whole.size() - 8 - 1).find("should be zero"), std::string::npos);
  EXPECT_NE(text_with_damage_at(whole.size() - 1).find("tensor \"conv1.bias\""), std::string::npos);
}

TEST_F(CheckpointFile, NewerVersionIsSaidToBeNewer) {
  const std::string header = R"({"meta":{},"tensors":[]})";
  const auto [kind, text] = error_of(file_with(header, "", 2));
  EXPECT_EQ(kind, Error::Kind::unsupported);
  EXPECT_NE(text.find("version 2"), std::string::npos);
  EXPECT_EQ(error_of(file_with(header, "", 0)).first, Error::Kind::format);
}

TEST_F(CheckpointFile, ForeignFilesAreNamed) {
  const auto text = [&](const std::string& bytes) { return error_of(bytes).second; };
  EXPECT_NE(text("PK\x03\x04 and so on").find("zip"), std::string::npos);
  EXPECT_NE(text("\x89HDF\r\n\x1a\n").find("HDF5"), std::string::npos);
  EXPECT_NE(text("\x80\x02}q").find("pickle"), std::string::npos);
  EXPECT_NE(text("\n\x04"
                 "DPFN")
                .find("caffemodel"),
            std::string::npos);
  EXPECT_NE(text("{\"a\": 1}").find("JSON"), std::string::npos);
  EXPECT_NE(text("hello").find("another kind"), std::string::npos);
  EXPECT_NE(text("\x89SRCKPX").find("another kind"), std::string::npos);
}

TEST_F(CheckpointFile, MissingFileAndFolderAreSystemErrors) {
  try {
    load_checkpoint(path_);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::Kind::io);
    EXPECT_NE(std::string(error.what()).find(path_), std::string::npos);
  }
  EXPECT_THROW(load_checkpoint(folder_.string()), Error);
  EXPECT_THROW(save_checkpoint((folder_ / "none" / "net.ckpt").string(), small()), Error);
}

TEST_F(CheckpointFile, UnwritableFolderLeavesNothing) {
  if (::geteuid() == 0) {
    // Root may write anywhere but under a file.
    write_file(path_, "a file");
    EXPECT_THROW(save_checkpoint(path_ + "/net.ckpt", small()), Error);
    EXPECT_EQ(read_file(path_, 100), "a file");
    return;
  }
  std::filesystem::permissions(folder_,
                               std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
  EXPECT_THROW(save_checkpoint(path_, small()), Error);
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
  std::filesystem::permissions(folder_, std::filesystem::perms::owner_all);
}

TEST_F(CheckpointFile, SaveThatFailsKeepsTheFileBefore) {
  const std::string before = saved(path_, small());
  rlimit old{};
  getrlimit(RLIMIT_FSIZE, &old);
  rlimit tight = old;
  tight.rlim_cur = 100;
  signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &tight);
  EXPECT_THROW(save_checkpoint(path_, small()), Error);
  setrlimit(RLIMIT_FSIZE, &old);
  EXPECT_EQ(read_file(path_, 1 << 20), before);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);
}

// ---- headers that are consistent with their checksums and yet hostile ----

json good_line(const std::string& data) {
  return {{"name", "w"},
          {"shape", {1, 1, 1, data.size() / 4}},
          {"offset", 0},
          {"bytes", data.size()},
          {"crc32c", crc_of(data)}};
}

TEST_F(CheckpointFile, FilesMadeByTheTestAreGoodUntilTheyAreMadeBad) {
  const std::string data(8, 'x');
  write_file(path_, file_with(json{{"meta", json::object()}, {"tensors", {good_line(data)}}}.dump(), data));
  EXPECT_EQ(load_checkpoint(path_).tensors.at(0).second.shape(), (Shape{1, 1, 1, 2}));
}

TEST_F(CheckpointFile, HostileTableIsAnError) {
  const std::string data(8, 'x');
  const auto refused = [&](const std::string& field, const json& value) {
    json line = good_line(data);
    line[field] = value;
    const auto [kind, text] =
        error_of(file_with(json{{"meta", {{"a", 1}}}, {"tensors", {line}}}.dump(), data));
    EXPECT_EQ(kind, Error::Kind::format) << field << " " << value;
    EXPECT_NE(text.find("tensor"), std::string::npos) << text;
  };
  const int64_t huge = int64_t{1} << 62;
  for (const json& shape : std::vector<json>{{1, 1, 1, 3},
                                             {1, 1, 1, 1},
                                             {1, 1, 1, -2},
                                             {-1, -1, 1, 2},
                                             {0, 1, 1, 2},
                                             {huge, huge, huge, huge},
                                             {huge, 4, 1, 2},
                                             {UINT64_MAX, 1, 1, 2},
                                             {1, 1, 1, 2.0},
                                             {1, 1, 2},
                                             {1, 1, 1, 1, 2},
                                             "1112",
                                             8,
                                             nullptr,
                                             {1, 1, 1, "2"},
                                             {1, 1, 1, {2}},
                                             json::object()})
    refused("shape", shape);
  for (const json& number :
       std::vector<json>{64, -64, 1, UINT64_MAX, huge, 8.5, "0", nullptr, json::array()}) {
    refused("offset", number);
    refused("bytes", number);
    refused("crc32c", number);
  }
  for (const json& name : std::vector<json>{"", std::string(257, 'x'), 1, nullptr, json::array()})
    refused("name", name);
}

TEST_F(CheckpointFile, TensorsMayNotOverlapNorShareNamesNorLeaveGaps) {
  const std::string data = std::string(8, 'x') + std::string(56, '\0') + std::string(8, 'x');
  json first = good_line(data.substr(0, 8)), second = first;
  second["name"] = "v";
  second["offset"] = 64;
  const auto file = [&](const json& table) {
    return file_with(json{{"meta", json::object()}, {"tensors", table}}.dump(), data);
  };
  write_file(path_, file({first, second}));
  EXPECT_EQ(load_checkpoint(path_).tensors.size(), 2u);
  EXPECT_NE(error_of(file({second, first})).second.find("begin"), std::string::npos);
  EXPECT_NE(error_of(file(json::array({first}))).second.find("belong to no tensor"), std::string::npos);
  json changed = second;
  changed["name"] = "w";
  EXPECT_NE(error_of(file({first, changed})).second.find("twice"), std::string::npos);
  changed = second;
  changed["offset"] = 0;
  EXPECT_NE(error_of(file({first, changed})).second.find("begin"), std::string::npos);
}

TEST_F(CheckpointFile, HostileJsonIsAnError) {
  const auto refused = [&](const std::string& header) {
    EXPECT_EQ(error_of(file_with(header, "")).first, Error::Kind::format) << header.substr(0, 100);
  };
  const size_t million = 1'000'000;
  refused("");
  refused("{");
  refused("null");
  refused("[]");
  refused("{}");
  refused(R"({"meta":{}})");
  refused(R"({"tensors":[]})");
  refused(R"({"meta":[],"tensors":[]})");
  refused(R"({"meta":{},"tensors":{}})");
  refused(R"({"meta":{},"tensors":7})");
  refused(R"({"meta":{},"tensors":[[]]})");
  refused(R"({"meta":{"a":1e999},"tensors":[]})");
  refused("{\"meta\":{\"a\":\"\xff\"},\"tensors\":[]}");
  refused(R"({"meta":{},"tensors":[]} x)");
  refused(std::string(15 * million, '['));
  refused(R"({"meta":{"a":)" + std::string(million, '[') + std::string(million, ']') + R"(},"tensors":[]})");
  refused(R"({"meta":{"a":")" + std::string(10, '\\'));
  std::string many = R"({"meta":{"a":[0)";
  for (size_t i = 0; i < 3 * million; ++i) many += ",0";
  refused(many + R"(]},"tensors":[]})");
  refused(R"({"meta":{"a":")" + std::string(17 * million, 'x') + R"("},"tensors":[]})");
  std::string tensors = R"({"meta":{},"tensors":[0)";
  for (size_t i = 0; i < 100'000; ++i) tensors += ",0";
  refused(tensors + "]}");
}

int64_t peak_kilobytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

// Damage with checksums made right again: whatever loads must be a sound checkpoint.
TEST_F(CheckpointFile, RandomDamageWithRightChecksumsNeverCrashesNorTakesMuchMemory) {
  const std::string whole = saved(path_, small());
  const json good = json::parse(whole.substr(32, whole.find('\0', 32 + 100) - 32), nullptr, false);
  ASSERT_TRUE(good.is_object());
  const std::string header = good.dump();
  const std::string data = whole.substr((32 + header.size() + 63) / 64 * 64);
  constexpr std::string_view kAlphabet = "0123456789-.eE+\"\\{}[]:,ntf u\xff";
  std::mt19937 random(20260101);
  const auto below = [&](size_t limit) { return random() % limit; };
  const int64_t before = peak_kilobytes();
  int loaded = 0;
  for (int i = 0; i < 10'000; ++i) {
    std::string bad = header;
    for (size_t changes = 1 + below(6); changes > 0; --changes) {
      const size_t at = below(bad.size());
      if (below(3) == 0)
        bad.erase(at, 1 + below(8));
      else if (below(2) == 0)
        bad.insert(at, std::string(1 + below(20), kAlphabet[below(kAlphabet.size())]));
      else
        bad[at] = kAlphabet[below(kAlphabet.size())];
    }
    const std::string bytes = file_with(bad, data.substr(0, data.size() - (below(4) == 0 ? below(80) : 0)));
    put(bytes);
    try {
      const Checkpoint checkpoint = load_checkpoint(path_);
      ++loaded;  // the damage hit a value of meta or a name
      for (const auto& [name, tensor] : checkpoint.tensors) EXPECT_LE(tensor.shape().size(), 8);
      if (loaded % 8 == 0) save_checkpoint((folder_ / "again").string(), checkpoint);  // waits for the disk
    } catch (const Error&) {
    }
  }
  EXPECT_LT(loaded, 2000);
  EXPECT_LT(peak_kilobytes() - before, 300'000);
}

}  // namespace
}  // namespace sr
