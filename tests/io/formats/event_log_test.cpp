// The files are taken apart here by the rules of TFRecord and protobuf alone.
#include "io/formats/event_log.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <cstring>
#include <fstream>
#include <map>

#include "io/formats/picture.h"
#include "tests/support/expect_error.h"
#include "tests/support/run_program.h"

namespace sr {
namespace {

namespace fs = std::filesystem;

uint32_t masked_crc32c_by_bits(std::string_view bytes) {
  uint32_t r = 0xFFFFFFFFu;
  for (const char byte : bytes) {
    r ^= static_cast<uint8_t>(byte);
    for (int bit = 0; bit < 8; ++bit) r = (r >> 1) ^ ((r & 1u) ? 0x82F63B78u : 0u);
  }
  r = ~r;
  return ((r >> 15) | (r << 17)) + 0xa282ead8u;
}

template <class T>
T number_at(std::string_view bytes, size_t at) {
  T value{};
  EXPECT_LE(at + sizeof value, bytes.size());
  if (at + sizeof value <= bytes.size()) std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

/// The data of the records; a last one that is cut off is left out, as TensorBoard does.
std::vector<std::string> records_of(const std::string& file) {
  std::vector<std::string> records;
  for (size_t at = 0; at + 12 <= file.size();) {
    const auto length = number_at<uint64_t>(file, at);
    EXPECT_EQ(number_at<uint32_t>(file, at + 8), masked_crc32c_by_bits(file.substr(at, 8)));
    if (length > file.size() || at + 16 + length > file.size()) break;
    records.push_back(file.substr(at + 12, length));
    EXPECT_EQ(number_at<uint32_t>(file, at + 12 + length), masked_crc32c_by_bits(records.back()));
    at += 16 + length;
  }
  return records;
}

/// A message's fields by number: the bytes of fixed ones and of those with a length, the value of varints.
struct Message {
  std::map<uint64_t, std::string> bytes;
  std::map<uint64_t, uint64_t> varint;

  explicit Message(std::string_view data) {
    size_t at = 0;
    const auto next_varint = [&] {
      uint64_t value = 0;
      for (int shift = 0; at < data.size(); shift += 7) {
        const auto byte = static_cast<uint8_t>(data[at++]);
        value |= uint64_t{byte & 0x7fu} << shift;
        if (byte < 0x80) break;
      }
      return value;
    };
    while (at < data.size()) {
      const uint64_t key = next_varint();
      if (key % 8 == 0) {
        varint[key / 8] = next_varint();
        continue;
      }
      const size_t length = key % 8 == 1 ? 8 : key % 8 == 5 ? 4 : next_varint();
      bytes[key / 8] = data.substr(at, length);
      at += length;
    }
  }

  Message part(uint64_t field) const { return Message(bytes.at(field)); }
};

// Fields of Event, Summary and Value.
constexpr uint64_t kWallTime = 1, kStep = 2, kFileVersion = 3, kSummary = 5, kSessionLog = 7;
constexpr uint64_t kValue = 1, kTag = 1, kSimpleValue = 2, kImage = 4;

std::vector<Message> events_of(const std::string& path) {
  std::vector<Message> events;
  for (const std::string& record : records_of(text_of_file(path))) events.emplace_back(record);
  return events;
}

double now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

TEST(EventLog, StartsWithItsVersionAndTheStepFromWhichOlderFilesAreForgotten) {
  const TestFolder folder;
  const EventLog log(folder / "x2/Log", 4001);
  EXPECT_EQ(fs::path(log.path()).parent_path(), folder / "x2/Log");
  EXPECT_EQ(fs::path(log.path()).filename().string().find("events.out.tfevents."), 0u);
  const auto events = events_of(log.path());
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].bytes.at(kFileVersion), "brain.Event:2");
  EXPECT_EQ(events[1].part(kSessionLog).varint.at(1), 1u);  // START
  EXPECT_EQ(events[1].varint.at(kStep), 4001u);
}

TEST(EventLog, FiguresAreInTheFileAtOnceWithTagStepValueAndTime) {
  const TestFolder folder;
  EventLog log(folder.path(), 0);
  const double before = now();
  log.scalar("loss/train", 100, 0.0625);
  log.scalar("validation/psnr", int64_t{1} << 40, 37.3);
  log.scalar("loss/train", 200, std::numeric_limits<double>::quiet_NaN());
  const auto events = events_of(log.path());
  const double after = now();
  ASSERT_EQ(events.size(), 5u);
  const auto value = [&](size_t i) { return events[i].part(kSummary).part(kValue); };
  EXPECT_EQ(value(2).bytes.at(kTag), "loss/train");
  EXPECT_EQ(events[2].varint.at(kStep), 100u);
  EXPECT_EQ(number_at<float>(value(2).bytes.at(kSimpleValue), 0), 0.0625f);
  EXPECT_EQ(value(3).bytes.at(kTag), "validation/psnr");
  EXPECT_EQ(events[3].varint.at(kStep), uint64_t{1} << 40);
  EXPECT_EQ(number_at<float>(value(3).bytes.at(kSimpleValue), 0), 37.3f);
  EXPECT_TRUE(std::isnan(number_at<float>(value(4).bytes.at(kSimpleValue), 0)));
  for (size_t i = 2; i < 5; ++i) {
    const auto time = number_at<double>(events[i].bytes.at(kWallTime), 0);
    EXPECT_GE(time, before - 1);
    EXPECT_LE(time, after + 1);
  }
}

TEST(EventLog, PictureComesBackFromItsPng) {
  const TestFolder folder;
  EventLog log(folder.path(), 0);
  for (const int bands : {1, 3}) {
    Raster picture({0, 0, 37, 11}, bands, SampleType::u8);
    for (size_t i = 0; i < picture.samples.size(); ++i) picture.samples[i] = static_cast<std::byte>(i * 7);
    log.image("validation/0/result", 300, picture);
    const auto events = events_of(log.path());
    EXPECT_EQ(events.back().varint.at(kStep), 300u);
    const Message value = events.back().part(kSummary).part(kValue), image = value.part(kImage);
    EXPECT_EQ(value.bytes.at(kTag), "validation/0/result");
    EXPECT_EQ(image.varint.at(1), 11u);
    EXPECT_EQ(image.varint.at(2), 37u);
    EXPECT_EQ(image.varint.at(3), static_cast<uint64_t>(bands));
    std::ofstream(folder / "a.png", std::ios::binary) << image.bytes.at(4);
    EXPECT_EQ(read_picture(folder / "a.png").samples, picture.samples);
  }
  const auto count = events_of(log.path()).size();
  expect_error(Error::Kind::unsupported, "u8", [&] {
    log.image("a", 1, Raster({0, 0, 2, 2}, 1, SampleType::f32));
  });
  EXPECT_EQ(events_of(log.path()).size(), count);
}

TEST(EventLog, WhatWasWrittenBeforeACutIsRead) {
  const TestFolder folder;
  EventLog log(folder.path(), 0);
  log.scalar("a", 1, 1);
  log.scalar("a", 2, 2);
  const std::string whole = text_of_file(log.path());
  EXPECT_EQ(records_of(whole).size(), 4u);
  for (size_t cut = 1; cut < 20; ++cut) EXPECT_EQ(records_of(whole.substr(0, whole.size() - cut)).size(), 3u);
}

TEST(EventLog, RunsOfTheSameSecondHaveFilesOfTheirOwnInOrder) {
  const TestFolder folder;
  std::string before;
  for (int run = 0; run < 5; ++run) {
    const EventLog log(folder.path(), run);
    EXPECT_LT(before, log.path());
    EXPECT_EQ(events_of(log.path()).size(), 2u);
    before = log.path();
  }
}

TEST(EventLog, FolderThatCannotBeIsAnError) {
  const TestFolder folder;
  std::ofstream(folder / "file") << "x";
  expect_error(Error::Kind::io, folder / "file/Log", [&] { EventLog(folder / "file/Log", 0); });
  expect_error(Error::Kind::io, folder / "file", [&] { EventLog(folder / "file", 0); });
}

}  // namespace
}  // namespace sr
