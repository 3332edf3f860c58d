#include "io/formats/records.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "io/crc32c.h"
#include "tensor/random.h"
#include "tests/support/expect_error.h"
#include "tests/support/run_program.h"

namespace sr {
namespace {

constexpr SampleType kTypes[] = {SampleType::u8,  SampleType::i8,  SampleType::u16, SampleType::i16,
                                 SampleType::u32, SampleType::i32, SampleType::f32, SampleType::f64};

Raster random_raster(const Window& window, int bands, SampleType type, Random& random) {
  Raster raster(window, bands, type);
  for (std::byte& b : raster.samples) b = static_cast<std::byte>(random.next() & 255);
  return raster;
}

TileRecord random_record(int bands, SampleType type, SampleType shrunk, Random& random) {
  const int64_t w = 1 + random.integer(9), h = 1 + random.integer(9);
  const int64_t x = random.integer(1000) - 500, y = random.integer(int64_t{1} << 40);
  TileRecord record;
  record.gt = random_raster({2 * x, 2 * y, 2 * w, 2 * h}, bands, type, random);
  record.down = random_raster({x, y, w, h}, bands, shrunk, random);
  record.bic_up = random_raster({2 * x, 2 * y, 2 * w, 2 * h}, bands, shrunk, random);
  record.note = "scene " + std::to_string(random.integer(1000)) + ".tif";
  return record;
}

bool same(const Raster& a, const Raster& b) {
  return a.window == b.window && a.bands == b.bands && a.type == b.type && a.samples == b.samples;
}

bool same(const TileRecord& a, const TileRecord& b) {
  return same(a.gt, b.gt) && same(a.down, b.down) && same(a.bic_up, b.bic_up) && a.note == b.note;
}

std::vector<TileRecord> write_records(const std::string& path, int count, Random& random) {
  std::vector<TileRecord> records;
  RecordWriter writer(path, R"({"factor": 2})");
  for (int i = 0; i < count; ++i) {
    records.push_back(random_record(1 + i % 3, kTypes[i % 8], kTypes[(i + i / 8) % 8], random));
    writer.add(records.back());
    EXPECT_EQ(writer.size(), i + 1);
  }
  writer.finish();
  return records;
}

void write_bytes(const std::string& path, const std::string& bytes) {
  std::filesystem::remove(
      path);  // file systems hurry to the disk when an old file is emptied and written again
  std::ofstream(path, std::ios::binary) << bytes;
}

class Records : public testing::Test {
 protected:
  TestFolder folder_;
  std::string path_ = folder_ / "data_000.rec";
  Random random_{1};
};

TEST_F(Records, EveryTypeAndNumberOfBandsComesBackInAnyOrder) {
  const std::vector<TileRecord> records = write_records(path_, 40, random_);
  const RecordReader reader(path_);
  EXPECT_EQ(reader.meta(), R"({"factor": 2})");
  EXPECT_EQ(reader.bytes(), std::filesystem::file_size(path_));
  ASSERT_EQ(reader.size(), 40);
  for (int64_t i = 39; i >= 0; --i) {
    EXPECT_TRUE(same(reader.read(i), records[static_cast<size_t>(i)])) << i;
    EXPECT_EQ(reader.entry(i).parts[1].window, records[static_cast<size_t>(i)].down.window);
  }
}

TEST_F(Records, AFileWithoutRecordsIsAFile) {
  RecordWriter(path_, "{}").finish();
  EXPECT_EQ(RecordReader(path_).size(), 0);
}

TEST_F(Records, TheSameContentGivesTheSameBytes) {
  Random one{7}, two{7};
  write_records(path_, 5, one);
  const std::string first = text_of_file(path_);
  write_records(path_, 5, two);
  EXPECT_EQ(text_of_file(path_), first);
}

TEST_F(Records, NothingStaysUnlessFinished) {
  {
    RecordWriter writer(path_, "{}");
    writer.add(random_record(1, SampleType::u8, SampleType::f32, random_));
    EXPECT_FALSE(std::filesystem::exists(path_));
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
}

TEST_F(Records, RastersThatContradictThemselvesAreRefused) {
  RecordWriter writer(path_, "{}");
  const auto refused = [&](const std::string& part, const auto& change) {
    TileRecord record = random_record(2, SampleType::u16, SampleType::u16, random_);
    change(record);
    expect_error(Error::Kind::usage, part, [&] { writer.add(record); });
  };
  refused("bytes of samples", [](TileRecord& r) { r.down.samples.pop_back(); });
  refused("mask", [](TileRecord& r) { r.gt.mask.resize(4); });
  refused("bands", [](TileRecord& r) { r.bic_up.bands = 1; });
  refused("empty", [](TileRecord& r) { r.gt = {}; });
  EXPECT_EQ(writer.size(), 0);
}

TEST_F(Records, ANoteThatIsTooLongIsRefused) {
  RecordWriter writer(path_, "{}");
  TileRecord record = random_record(1, SampleType::u8, SampleType::u8, random_);
  record.note.assign(5000, 'x');
  expect_error(Error::Kind::limit, "4096", [&] { writer.add(record); });
}

TEST_F(Records, ARecordThatIsNotThereIsNamed) {
  write_records(path_, 3, random_);
  const RecordReader reader(path_);
  expect_error(Error::Kind::usage, "holds 3", [&] { reader.read(3); });
  expect_error(Error::Kind::usage, "holds 3", [&] { reader.read(-1); });
}

TEST_F(Records, ForeignAndNewerFilesAreToldApart) {
  const auto refused = [&](Error::Kind kind, const std::string& bytes, const std::string& part) {
    write_bytes(path_, bytes);
    expect_error(kind, part, [&] { RecordReader reader(path_); });
  };
  refused(Error::Kind::format, "", "empty");
  refused(Error::Kind::format, "\x89SRCKPT\n and so on", "checkpoint");
  refused(Error::Kind::format, "II*", "TIFF");
  refused(Error::Kind::format, "\x89SRRECS\n", "truncated");
  expect_error(Error::Kind::io, "nothing.rec", [&] { RecordReader reader(folder_ / "nothing.rec"); });
  expect_error(Error::Kind::io, "directory", [&] { RecordReader reader(folder_.path()); });
}

// A start that is valid by its checksum but claims what cannot be.
TEST_F(Records, LengthsThatTheFileCannotHaveAreRefusedBeforeAnythingIsAllocated) {
  write_records(path_, 2, random_);
  const std::string good = text_of_file(path_);
  const auto refused = [&](size_t at, uint64_t value, size_t bytes, Error::Kind kind,
                           const std::string& part) {
    std::string changed = good;
    std::memcpy(changed.data() + at, &value, bytes);
    const uint32_t crc = crc32c(std::as_bytes(std::span(changed)).first(40));
    std::memcpy(changed.data() + 40, &crc, 4);
    write_bytes(path_, changed);
    expect_error(kind, part, [&] { RecordReader reader(path_); });
  };
  refused(8, 2, 4, Error::Kind::unsupported, "newer");
  refused(8, 0, 4, Error::Kind::format, "version 0");
  refused(12, 0xffffffff, 4, Error::Kind::format, "corrupted");
  refused(16, uint64_t{1} << 60, 8, Error::Kind::format, "truncated");
  refused(24, uint64_t{1} << 60, 8, Error::Kind::format, "corrupted");
  refused(24, 3, 8, Error::Kind::format, "corrupted");
}

// docs/formats.md has a reader in Python; its crc32c is that of the checkpoint's.
TEST_F(Records, TheReaderInTheDocumentationReadsThem) {
  constexpr const char* kPython = "/usr/bin/python3";
  if (!std::filesystem::exists(kPython)) GTEST_SKIP() << "no " << kPython;
  const std::string text = text_of_file(SR_SOURCE_DIR "/docs/formats.md");
  const auto code_after = [&](const std::string& heading, const std::string& end) {
    const size_t from = text.find("```python\n", text.find(heading)) + 10;
    return text.substr(from, text.find(end, from) - from);
  };
  write_bytes(folder_ / "read.py", code_after("### Reading one in Python", "def load_checkpoint") +
                                       code_after("### Reading a record file in Python", "```"));
  TileRecord record = random_record(3, SampleType::i16, SampleType::f64, random_);
  for (int64_t i = 0; i < record.gt.window.pixels() * 3; ++i)
    record.gt.data<int16_t>()[i] = static_cast<int16_t>(i % 2 ? -7 : -8);
  for (int64_t i = 0; i < record.down.window.pixels() * 3; ++i) record.down.data<double>()[i] = 0.125;
  RecordWriter writer(path_, "{}");
  writer.add(random_record(1, SampleType::u8, SampleType::f32, random_));
  writer.add(record);
  writer.finish();
  const ProgramRun run = run_program(kPython, {folder_ / "read.py", path_});
  EXPECT_EQ(run.status, 0) << run.err;
  for (const std::string& part : {record.note, std::string("-7.5)"), std::string("0.125)")})
    EXPECT_NE(run.out.find(part), std::string::npos) << part << " in: " << run.out;
}

// Every bit is covered: a damaged file is refused, as a whole or when the damaged record is read.
TEST_F(Records, TenThousandDamagesAreAllNoticed) {
  write_records(path_, 3, random_);
  const std::string good = text_of_file(path_);
  const auto read_all = [&] {
    const RecordReader reader(path_);
    for (int64_t i = 0; i < reader.size(); ++i) reader.read(i);
  };
  read_all();
  std::fstream file(path_, std::ios::binary | std::ios::in | std::ios::out);
  const auto put = [&](size_t at, char byte) {
    file.seekp(static_cast<std::streamoff>(at));
    file.put(byte);
    file.flush();
  };
  const auto size = static_cast<int64_t>(good.size());
  for (int i = 0; i < 9000; ++i) {
    const auto at = static_cast<size_t>(random_.integer(size));
    put(at, static_cast<char>(good[at] ^ (1 << random_.integer(8))));
    ASSERT_THROW(read_all(), Error) << "byte " << at;
    put(at, good[at]);
  }
  read_all();
  file.close();
  for (int i = 0; i < 1000; ++i) {
    const auto length = static_cast<size_t>(random_.integer(size));
    write_bytes(path_, i % 2 ? good.substr(0, length) : good + good.substr(0, length + 1));
    ASSERT_THROW(read_all(), Error) << length;
  }
}

// Index entries that are valid by their checksum but not by their sizes.
TEST_F(Records, HostileIndexesAreRefused) {
  write_records(path_, 2, random_);
  const std::string good = text_of_file(path_);
  constexpr size_t kEntry = 116;
  const size_t index = good.size() - 2 * kEntry;
  const auto refused = [&](size_t at, uint64_t value, size_t bytes) {
    std::string changed = good;
    std::memcpy(changed.data() + index + at, &value, bytes);
    const uint32_t crc = crc32c(std::as_bytes(std::span(changed)).subspan(index));
    std::memcpy(changed.data() + 36, &crc, 4);
    const uint32_t start = crc32c(std::as_bytes(std::span(changed)).first(40));
    std::memcpy(changed.data() + 40, &start, 4);
    write_bytes(path_, changed);
    expect_error(Error::Kind::format, "index", [&] { RecordReader reader(path_); });
  };
  refused(0, 0, 8);           // offset
  refused(8, 0xffffffff, 4);  // length of the note
  refused(16, 0, 4);          // bands
  refused(16, 0xffffffff, 4);
  refused(36, 0xffffffffffffffff, 8);  // width and height
  refused(36, 0, 4);
  refused(44, 8, 4);  // sample type
  refused(44, 7, 4);
  refused(kEntry, 1, 8);  // the second record's offset
}

// A sparse file is as long as it likes and takes no room; a record of it would take the memory.
TEST_F(Records, ARecordOfMoreThanAGibibyteIsRefusedEvenIfTheFileIsAsLong) {
  RecordWriter writer(path_, "{}");
  TileRecord record;
  record.gt = Raster({0, 0, 4, 4}, 1, SampleType::u8);
  record.down = Raster({0, 0, 2, 2}, 1, SampleType::u8);
  record.bic_up = record.gt;
  writer.add(record);
  writer.finish();
  std::string start = text_of_file(path_).substr(0, 46), index = text_of_file(path_).substr(46 + 4 + 2 * 16);
  const auto put = [](std::string& text, size_t at, auto value) {
    std::memcpy(text.data() + at, &value, sizeof value);
  };
  const auto crc_of = [](const std::string& text) { return crc32c(std::as_bytes(std::span(text))); };
  put(index, 36, uint32_t{1} << 15);  // gt is 32768 x 40000 pixels
  put(index, 40, uint32_t{40000});
  const uint64_t samples = (uint64_t{40000} << 15) + 4 + 16;
  put(start, 16, 46 + samples + index.size());
  put(start, 36, crc_of(index));
  put(start, 40, crc_of(start.substr(0, 40)));
  write_bytes(path_, start);
  std::filesystem::resize_file(path_, 46 + samples);
  std::ofstream(path_, std::ios::binary | std::ios::app) << index;
  expect_error(Error::Kind::format, "32768 x 40000", [&] { RecordReader reader(path_); });
}

}  // namespace
}  // namespace sr
