#include "io/output_file.h"

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <span>

#include "io/crc32c.h"

namespace sr {
namespace {

namespace fs = std::filesystem;

class OutputFile : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "output_file_XXXXXX";
    folder_ = ::mkdtemp(name.data());
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string in_folder(const std::string& name) const { return (folder_ / name).string(); }

  /// The message of the Error that f throws; fails if it throws none or one of another kind.
  template <class F>
  static std::string error_text(F&& f, Error::Kind kind) {
    try {
      f();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), kind) << error.what();
      return error.what();
    }
    ADD_FAILURE() << "no error";
    return "";
  }

  size_t files_in_folder() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }

  fs::path folder_;
};

void expect_parts(const std::string& text, std::initializer_list<std::string> parts) {
  for (const std::string& part : parts) EXPECT_NE(text.find(part), std::string::npos) << text;
  EXPECT_EQ(text.find('\n'), std::string::npos) << text;
}

TEST_F(OutputFile, WhatIsWrittenIsReadBackAndNothingElseIsLeft) {
  const std::string text("a\0b\n", 4);
  write_file(in_folder("x.bin"), text);
  EXPECT_EQ(read_file(in_folder("x.bin"), 100), text);
  EXPECT_EQ(files_in_folder(), 1u);
  write_file(in_folder("x.bin"), std::string("shorter than before? no"));
  EXPECT_EQ(read_file(in_folder("x.bin"), 100), "shorter than before? no");
  write_file(in_folder("x.bin"), std::string());
  EXPECT_EQ(read_file(in_folder("x.bin"), 0), "");
}

TEST_F(OutputFile, TemporaryNameLiesInTheSameFolder) {
  EXPECT_EQ(temporary_name("some/where.tif"), "some/where.tif.part");
}

TEST_F(OutputFile, AFileThatIsBeingWrittenIsRefusedToAnotherWriter) {
  const std::string path = in_folder("x.bin");
  PartialFile first(path);
  std::ofstream(first.temporary()) << "half";
  const auto text = error_text([&] { PartialFile second(path); }, Error::Kind::io);
  expect_parts(text, {path, "another run is writing it"});
  EXPECT_EQ(read_file(first.temporary(), 100), "half");
  first.commit();
  PartialFile third(path);
  EXPECT_EQ(read_file(path, 100), "half");
}

TEST_F(OutputFile, WhatAKilledRunLeftIsReplacedOrGoneOnWith) {
  const std::string path = in_folder("x.bin");
  std::ofstream(temporary_name(path)) << "left";
  {
    PartialFile again(path, PartialFile::Start::as_left);
    EXPECT_EQ(read_file(again.temporary(), 100), "left");
    again.keep();
  }
  EXPECT_EQ(read_file(temporary_name(path), 100), "left");
  PartialFile anew(path);
  EXPECT_EQ(read_file(anew.temporary(), 100), "");
}

TEST_F(OutputFile, OldFileStaysUntilTheNewOneIsCommitted) {
  const std::string path = in_folder("x.bin");
  write_file(path, std::string("old"));
  {
    PartialFile unfinished(path);
    std::ofstream(unfinished.temporary()) << "half";
    EXPECT_EQ(read_file(path, 100), "old");
  }
  EXPECT_EQ(read_file(path, 100), "old");
  EXPECT_EQ(files_in_folder(), 1u);
  PartialFile finished(path);
  std::ofstream(finished.temporary()) << "new";
  finished.commit();
  EXPECT_EQ(read_file(path, 100), "new");
  EXPECT_EQ(files_in_folder(), 1u);
}

TEST_F(OutputFile, MissingFolderIsNamedWithTheReasonAndTheRemedy) {
  const std::string path = in_folder("no/such/x.bin");
  const auto text = error_text([&] { write_file(path, std::string("x")); }, Error::Kind::io);
  expect_parts(text, {path, std::strerror(ENOENT), "create it first"});
}

TEST_F(OutputFile, FileInPlaceOfAFolderIsAnError) {
  write_file(in_folder("file"), std::string("x"));
  const auto text =
      error_text([&] { write_file(in_folder("file/x.bin"), std::string("x")); }, Error::Kind::io);
  expect_parts(text, {in_folder("file/x.bin"), std::strerror(ENOTDIR)});
}

TEST_F(OutputFile, FolderInPlaceOfTheFileIsAnErrorAndLeavesNothing) {
  fs::create_directory(in_folder("taken"));
  const auto text = error_text([&] { write_file(in_folder("taken"), std::string("x")); }, Error::Kind::io);
  expect_parts(text, {in_folder("taken"), std::strerror(EISDIR), "another name"});
  EXPECT_EQ(files_in_folder(), 1u);
}

TEST_F(OutputFile, UnwritableFolderIsAnError) {
  fs::permissions(folder_, fs::perms(0555));
  const uid_t user = ::geteuid();
  constexpr uid_t kNobody = 65534;
  if (user == 0) {
    ASSERT_EQ(::seteuid(kNobody), 0);
  }  // root may write everywhere
  const auto text = error_text([&] { write_file(in_folder("x.bin"), std::string("x")); }, Error::Kind::io);
  if (user == 0) {
    ASSERT_EQ(::seteuid(user), 0);
  }
  fs::permissions(folder_, fs::perms::owner_all);
  expect_parts(text, {in_folder("x.bin"), std::strerror(EACCES), "may write"});
}

TEST_F(OutputFile, FullDiskIsAnErrorAndLeavesNothing) {
  const std::string disk = in_folder("disk");
  fs::create_directory(disk);
  if (::mount("none", disk.c_str(), "tmpfs", 0, "size=64k") != 0) GTEST_SKIP() << "cannot mount a small disk";
  const std::string path = disk + "/x.bin";
  const auto text = error_text([&] { write_file(path, std::string(100'000, 'x')); }, Error::Kind::io);
  const bool empty = fs::is_empty(disk);
  ::umount(disk.c_str());
  expect_parts(text, {path, std::strerror(ENOSPC), "disk is full"});
  EXPECT_TRUE(empty);
}

TEST_F(OutputFile, AppendedFileGrowsAndIsSeenAtOnce) {
  {
    AppendedFile file(in_folder("log"));
    file.append("one\n");
    EXPECT_EQ(read_file(in_folder("log"), 100), "one\n");
    file.append("two\n");
    file.sync();
  }
  AppendedFile again(in_folder("log"));
  again.append("three\n");
  EXPECT_EQ(read_file(in_folder("log"), 100), "one\ntwo\nthree\n");
  expect_parts(error_text([&] { AppendedFile(in_folder("no/such/log")); }, Error::Kind::io),
               {in_folder("no/such/log"), "create it first"});
}

TEST_F(OutputFile, AppendingToAFullDiskIsAnErrorAndLeavesNoHalfRecord) {
  const std::string disk = in_folder("disk");
  fs::create_directory(disk);
  if (::mount("none", disk.c_str(), "tmpfs", 0, "size=64k") != 0) GTEST_SKIP() << "cannot mount a small disk";
  std::string text, kept;
  {
    AppendedFile file(disk + "/log");
    file.append("one\n");
    text = error_text([&] { file.append(std::string(100'000, 'x')); }, Error::Kind::io);
    file.append("two\n");
    kept = read_file(disk + "/log", 100);
  }
  ::umount(disk.c_str());
  expect_parts(text, {disk + "/log", std::strerror(ENOSPC), "disk is full"});
  EXPECT_EQ(kept, "one\ntwo\n");
}

TEST_F(OutputFile, TheChecksumIsThatOfTheWholeFile) {
  write_file((folder_ / "short").string(), std::string("123456789"));
  EXPECT_EQ(checksum_of_file((folder_ / "short").string()), "crc32c e3069283") << "RFC 3720's";
  write_file((folder_ / "zeros").string(), std::string(32, '\0'));
  EXPECT_EQ(checksum_of_file((folder_ / "zeros").string()), "crc32c 8a9136aa") << "RFC 3720's";
  std::string text((3 << 20) + 7, 'x');
  text.back() = 'y';
  write_file((folder_ / "long").string(), text);
  char whole[32];
  std::snprintf(whole, sizeof whole, "crc32c %08x", crc32c(std::as_bytes(std::span(text))));
  EXPECT_EQ(checksum_of_file((folder_ / "long").string()), whole) << "read in pieces";
}

TEST_F(OutputFile, MissingFileCannotBeRead) {
  const auto text = error_text([&] { read_file(in_folder("none"), 100); }, Error::Kind::io);
  expect_parts(text, {in_folder("none"), std::strerror(ENOENT), "check the path"});
}

TEST_F(OutputFile, FoldersAndPipesAreNotRead) {
  expect_parts(error_text([&] { read_file(folder_.string(), 100); }, Error::Kind::io),
               {std::strerror(EISDIR)});
  ASSERT_EQ(::mkfifo(in_folder("pipe").c_str(), 0600), 0);
  expect_parts(error_text([&] { read_file(in_folder("pipe"), 100); }, Error::Kind::io), {"pipe"});
}

TEST_F(OutputFile, LongerFileThanAllowedIsALimitError) {
  write_file(in_folder("x.bin"), std::string("12345"));
  EXPECT_EQ(read_file(in_folder("x.bin"), 5), "12345");
  const auto text = error_text([&] { read_file(in_folder("x.bin"), 4); }, Error::Kind::limit);
  expect_parts(text, {in_folder("x.bin"), "5 bytes", "at most 4"});
}

}  // namespace
}  // namespace sr
