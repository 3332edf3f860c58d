// Files made of the blocks that several writers have left.
#include "io/tiff/output/stored_part.h"

#include <numeric>

#include "io/output_file.h"
#include "tests/io/tiff/writing.h"

namespace sr {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kBlock = 32, kWidth = 203, kHeight = 299;  // 7 x 10 blocks

class StoredPartTest : public TiffWriterTest {
 protected:
  struct Way {
    const char* name;
    SampleType type;
    int bands;
    bool masked;
    TiffWriterOptions options;
  };

  static std::vector<Way> ways() {
    using enum Compression;
    return {{"masked", SampleType::u16, 3, true, {.compression = deflate}},
            {"float", SampleType::f32, 1, false, {.compression = zstd}},
            {"by band", SampleType::u8, 3, true, {.compression = lzw, .by_band = true}},
            {"jpeg", SampleType::u8, 3, false, {.compression = jpeg}},
            {"lerc", SampleType::f64, 1, true, {.compression = lerc, .max_z_error = 0.5}}};
  }

  void use(const Way& way, bool cog) {
    fs::remove(path_);
    info_ = make_info(kWidth, kHeight, way.bands, way.type);
    info_.has_mask = way.masked;
    options_ = way.options;
    options_.block = kBlock, options_.cog = cog, options_.job = "job";
    picture_ = random_picture(info_, 1);
    if (way.masked)
      for (int64_t i = 0; i < kWidth * kHeight; ++i) picture_.mask.push_back(i % 7 != 0);
  }

  // A block high and three wide, in the rows of blocks first .. end-1.
  static std::vector<Window> windows(int64_t first, int64_t end) {
    std::vector<Window> list;
    for (int64_t y = first * kBlock; y < std::min(end * kBlock, kHeight); y += kBlock)
      for (int64_t x = 0; x < kWidth; x += 3 * kBlock)
        list.push_back({x, y, std::min(3 * kBlock, kWidth - x), std::min(kBlock, kHeight - y)});
    return list;
  }

  // In the order of windows(), whose blocks lie side by side.
  static std::vector<int64_t> order() {
    std::vector<int64_t> list(70);
    std::iota(list.begin(), list.end(), 0);
    return list;
  }

  std::string name_of(int part) const { return path_ + ".part-" + std::to_string(part); }

  void write_part(int part, int64_t first, int64_t end) {
    TiffWriter writer(name_of(part), info_, options_);
    for (const Window& window : windows(first, end))
      if (writer.wants(window)) writer.write(cut(picture_, window));
    EXPECT_TRUE(writer.keep());
  }

  std::string whole() {
    TiffWriter writer(path_, info_, options_);
    for (const Window& window : windows(0, 10)) writer.write(cut(picture_, window));
    writer.finish();
    const std::string bytes = read_file(path_, 1 << 26);
    fs::remove(path_);
    return bytes;
  }

  void join(int parts) {
    std::vector<StoredPart> stored;
    for (int part = 0; part < parts; ++part) stored.emplace_back(name_of(part), options_.cog, "job");
    TiffWriterOptions options = options_;
    options.anew = true;
    TiffWriter writer(path_, info_, options);
    writer.take_over(stored, order());
    writer.finish();
  }

  void remove_parts(int parts) {
    for (int part = 0; part < parts; ++part) TiffWriter::remove_unfinished(name_of(part));
  }

  TiffInfo info_;
  TiffWriterOptions options_;
  Raster picture_;
};

TEST_F(StoredPartTest, PartsInAnyRowsOfBlocksMakeTheFileOfOneWriter) {
  for (const bool cog : {false, true})
    for (const Way& way : ways()) {
      SCOPED_TRACE(std::string(way.name) + (cog ? ", cog" : ""));
      use(way, cog);
      const std::string once = whole();
      for (const int64_t cut : {1, 2, 5, 9}) {
        write_part(0, 0, cut), write_part(1, cut, 10);
        join(2);
        EXPECT_TRUE(read_file(path_, 1 << 26) == once) << cut;
        remove_parts(2);
        EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1) << "nothing else is left";
      }
      for (int part = 0; part < 10; ++part) write_part(part, part, part + 1);
      join(10);
      EXPECT_TRUE(read_file(path_, 1 << 26) == once) << "ten parts";
      remove_parts(10);
    }
}

TEST_F(StoredPartTest, APartThatWasWrittenInTwoRunsAndHasMoreRowsThanItsOwnIsAsGood) {
  for (const bool cog : {false, true}) {
    use(ways()[0], cog);
    const std::string once = whole();
    write_part(0, 0, 2), write_part(0, 1, 6), write_part(1, 4, 10);
    join(2);
    EXPECT_TRUE(read_file(path_, 1 << 26) == once);
    remove_parts(2);
  }
}

TEST_F(StoredPartTest, MissingAndDamagedBlocksAndOtherJobsAreRefusedAndLeaveNoFile) {
  for (const bool cog : {false, true}) {
    use(ways()[0], cog);
    write_part(0, 0, 4), write_part(1, 5, 10);
    const auto refused = [&](int parts) {
      const std::string text = error_text([&] { join(parts); }, Error::Kind::format);
      EXPECT_FALSE(fs::exists(path_) || fs::exists(path_ + ".part") || fs::exists(path_ + ".blocks.part"));
      return text;
    };
    EXPECT_NE(refused(2).find("has block 28 of the picture"), std::string::npos);
    write_part(2, 4, 5);
    EXPECT_NE(refused(4).find("part-3"), std::string::npos) << "there is none of that name";
    const std::string file = name_of(1) + (cog ? ".blocks.part" : ".part");
    std::string bytes = read_file(file, 1 << 26);
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
    write_file(file, bytes);
    EXPECT_NE(refused(3).find(file + ": block "), std::string::npos);
    write_part(1, 5, 10);  // the command that wrote it mends it
    join(3);
    options_.job = "another job";
    write_part(1, 5, 10);
    options_.job = "job";
    fs::remove(path_);
    EXPECT_NE(refused(3).find("no block of this job"), std::string::npos);
    remove_parts(3);
  }
}

}  // namespace
}  // namespace sr
