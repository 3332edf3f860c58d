// Scenes shared out among runs of eval_superres_net, and superres_merge, which joins what they leave.
#include "io/json_text.h"
#include "tests/tools/shards_fixture.h"

#include <fstream>
#include <random>

namespace sr {
namespace {

namespace fs = std::filesystem;

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_F(Sharing, AnyNumberOfSharesMakesTheFilesOfOneRun) {
  write_small_model(folder_ / "w", 2);
  std::vector<std::pair<Words, std::vector<int>>> ways{{{"--cog", "--bicubic"}, {2, 3, 7}},
                                                       {{"--compress", "zstd"}, {1, 3}}};
  if (kInstrumented) ways[0].second = {7}, ways[1].second = {1};  // the release build has all
  for (const auto& [way, counts] : ways) {
    ASSERT_EQ(run("whole", way).status, 0);
    for (const int count : counts) {
      SCOPED_TRACE(way[0] + ", " + std::to_string(count));
      run_shares(count, way);
      if (count > 1) {
        EXPECT_FALSE(fs::exists(folder_ / "out/b.tif"));
        const ProgramRun joined = merge();
        EXPECT_EQ(joined.status, 0) << joined.err;
      }
      expect_same();
      fs::remove_all(folder_ / "out");
    }
    fs::remove_all(folder_ / "whole");
  }
}

TEST_F(Sharing, AllKindsOfResultsAreThoseOfOneRun) {
  struct Way {
    int factor, bands;
    SampleType type;
    bool masked;
    Words options;
  };
  const std::vector<Way> ways{
      {3, 4, SampleType::u16, true, {"--interleave", "band", "--max_memory", "300MB"}},
      {3, 1, SampleType::u16, true, {"--cog", "--bicubic_only"}},
      {4, 1, SampleType::u16, false, {"--roi", "20,30,20,0", "--value_range", "0,4000"}},
      {2, 1, SampleType::u16, false, {"--self_ensemble", "--spread", "--cog"}},
      {2, 3, SampleType::u8, false, {"--compress", "jpeg", "--preview", "--quality_record"}},
      {4, 3, SampleType::u8, false, {"--compress", "jpeg", "--cog", "--quality", "70", "--verify", "0"}},
      {2, 4, SampleType::u16, true, {"--compress", "lerc", "--copy_bands", "4", "--verify", "3"}}};
  for (Way way : ways) {
    if (kInstrumented && (way.bands == 3 || way.options[0] == "--roi"))
      continue;  // the release build has all
    SCOPED_TRACE(way.options[0] + " " + way.options[1]);
    make_large(way.bands, way.type, way.masked);
    for (const char* small : {"a", "c", "d", "e"})
      fs::remove(folder_ / ("in/" + std::string(small) + ".tif"));
    if (way.options[0] == "--roi") way.options[1] = "20,30,101,480";
    write_small_model(folder_ / "w", way.factor);
    const Words options = way.options + Words{"--upsampling_factor", std::to_string(way.factor)};
    const ProgramRun whole = run("whole", options);
    ASSERT_EQ(whole.status, 0) << whole.err;
    run_shares(2, options);
    const ProgramRun joined = merge();
    EXPECT_EQ(joined.status, 0) << joined.err;
    if (way.options[0] == "--compress" && way.bands == 4) {
      EXPECT_TRUE(has(joined.out, "verified: 3 windows")) << joined.out;
    }
    expect_same();
    if (fs::exists(folder_ / "whole/b.quality.json")) {
      const auto bands = [&](const std::string& out) {
        return nlohmann::json::parse(bytes_of(folder_ / (out + "/b.quality.json")))["bands"];
      };
      EXPECT_EQ(bands("out"), bands("whole"));
    }
    fs::remove_all(folder_ / "out"), fs::remove_all(folder_ / "whole");
  }
}

TEST_F(Sharing, WhatIsDoneIsSaidAndWhatIsMissingNamedAndDoneWorkIsNotDoneTwice) {
  write_small_model(folder_ / "w", 2);
  EXPECT_EQ(run_share(1, 2).status, 0);
  const ProgramRun one = merge({"--status"});
  EXPECT_EQ(one.status, 1);
  EXPECT_TRUE(has(one.out, "shard 1 of 2 (done): 1 of 5 scenes, rows 0 to 255 of b.tif")) << one.out;
  EXPECT_TRUE(has(one.out, "shard 2 of 2 (not begun)")) << one.out;
  EXPECT_TRUE(has(one.out, "missing: b.tif: shard 2 of 2 (rows 256 to 519) has not begun")) << one.out;
  EXPECT_EQ(one.err, "");
  const ProgramRun refused = merge();
  EXPECT_EQ(refused.status, 1);
  EXPECT_TRUE(has(refused.err, "c.tif: shard 2 of 2 has not begun")) << refused.err;
  EXPECT_FALSE(fs::exists(folder_ / "out/b.tif"));
  EXPECT_EQ(run_share(2, 2).status, 0);
  EXPECT_EQ(merge({"--status"}).status, 0);
  const ProgramRun again = run_share(2, 2);
  EXPECT_TRUE(has(again.out, "goes on with")) << again.out;
  EXPECT_TRUE(has(again.out, "c.tif is there")) << again.out;
  EXPECT_EQ(merge({"--keep_parts"}).status, 0);
  EXPECT_TRUE(fs::exists(folder_ / "out/b.shard-2-of-2.tif.part"));
  EXPECT_EQ(merge().status, 0);
  EXPECT_FALSE(fs::exists(folder_ / "out/b.shard-2-of-2.tif.part"));
  EXPECT_EQ(merge().status, 0) << "all is there";
  EXPECT_TRUE(has(run_share(1, 2).out, "b.tif is there"));
  EXPECT_EQ(merge({"--status"}).status, 0);
}

TEST_F(Sharing, PartsThatDoNotBelongTogetherAreRefusedByName) {
  write_small_model(folder_ / "w", 2);
  run_shares(3);
  const auto refused = [&](const std::string& why) {
    const ProgramRun run = merge();
    EXPECT_EQ(run.status, 1) << why;
    EXPECT_TRUE(has(run.err, why)) << run.err;
    EXPECT_FALSE(fs::exists(folder_ / "out/b.tif")) << why;
    EXPECT_FALSE(fs::exists(folder_ / "out/b.tif.part")) << why;
  };
  const auto with_share_2 = [&](const Words& more, const std::string& why) {
    ASSERT_EQ(run_share(2, 3, more).status, 0);
    refused(why);
    ASSERT_EQ(run_share(2, 3).status, 0);
  };
  const std::string different = "shard 1 of 3 and shard 2 of 3 were run with different ";
  with_share_2({"--compress", "zstd"}, different + "compress (deflate; zstd); run one");
  with_share_2({"--cog", "--colour_mode", "per_band"},
               different + "cog (no; yes), colour_mode (auto; per_band)");
  with_share_2({"--quality_record"}, different + "quality_record (no; yes)");
  ASSERT_EQ(run_share(1, 4).status, 0);
  refused("there are shards of 3 and of 4");
  fs::remove(folder_ / "out/shard-1-of-4.jsonl");

  const std::string part = folder_ / "out/b.shard-2-of-3.tif.part", bytes = bytes_of(part);
  std::string damaged = bytes;
  damaged[damaged.size() / 2] = static_cast<char>(damaged[damaged.size() / 2] ^ 1);
  std::ofstream(part, std::ios::binary) << damaged;
  refused("b.shard-2-of-3.tif.part: block ");
  fs::rename(part, part + ".away");
  refused("b.tif: shard 2 of 3 (rows 128 to 383) was done, but what it made is gone");
  fs::rename(part + ".away", part);
  EXPECT_EQ(run_share(2, 3).status, 0) << "it mends its part";

  const fs::path scene = folder_ / "in/b.tif", weights = checkpoint_name(folder_ / "w", 2, 0);
  fs::copy_file(scene, folder_ / "b.tif"), fs::copy_file(weights, folder_ / "w.sr");
  make_scene("b", 258, 520, 4, SampleType::u16, false);
  refused("b.tif: its parts are stale: they and what there is now differ in input");
  fs::copy_file(folder_ / "b.tif", scene, fs::copy_options::overwrite_existing);
  Model other = Model::load(weights, 2);
  other.means.gt[0] += 0.01;
  other.save(weights);
  refused("differ in weights");
  fs::copy_file(folder_ / "w.sr", weights, fs::copy_options::overwrite_existing);
  make_scene("f", 50, 60, 1, SampleType::u8, false);
  refused("its scenes have changed since the shards were run");
  fs::remove(folder_ / "in/f.tif");
  EXPECT_EQ(merge().status, 0);
}

TEST_F(Sharing, AFileBesideTheSceneThatHasComeMeanwhilePartsItsPartsAndTheStatusKnows) {
  write_small_model(folder_ / "w", 2);
  EXPECT_EQ(run_share(1, 2).status, 0);
  const std::string grid = "<GeoTransform>5, 2, 0, 7, 0, -2</GeoTransform>";
  write_file(folder_ / "in/b.tif.aux.xml", "<PAMDataset>" + grid + "</PAMDataset>");
  EXPECT_EQ(run_share(2, 2).status, 0);
  const std::string why =
      "b.tif: its parts do not belong together: shard-2-of-2 and shard-1-of-2 differ in input (";
  const ProgramRun status = merge({"--status"}), joined = merge();
  EXPECT_EQ(status.status, 1);
  EXPECT_TRUE(has(status.out, "missing: " + why)) << status.out;
  EXPECT_EQ(joined.status, 1);
  EXPECT_TRUE(has(joined.err, why)) << joined.err;
}

TEST_F(Sharing, TilesOfAnotherMachineAreNoMatter) {
  write_small_model(folder_ / "w", 2);
  ASSERT_EQ(run("whole", {}).status, 0);
  ASSERT_EQ(run_share(1, 2).status, 0);
  columns_of_tiles_ = "3";
  ASSERT_EQ(run_share(2, 2).status, 0);
  columns_of_tiles_ = "1";
  EXPECT_TRUE(has(run_share(2, 2).out, "goes on with"));
  EXPECT_EQ(merge().status, 0);
  expect_same();
}

TEST_F(Sharing, ResultsThatAreThereAreJoinedAnewIfThatWasAskedFor) {
  write_small_model(folder_ / "w", 2);
  ASSERT_EQ(run("whole", {}).status, 0);
  ASSERT_EQ(run("out", {}).status, 0);
  std::string spoiled = bytes_of(folder_ / "out/b.tif");
  spoiled[spoiled.size() / 2] = static_cast<char>(spoiled[spoiled.size() / 2] ^ 1);
  write_file(folder_ / "out/b.tif", spoiled);
  run_shares(2);
  EXPECT_EQ(merge().status, 0);
  EXPECT_TRUE(bytes_of(folder_ / "out/b.tif") == spoiled) << "nobody looks at what is there";
  run_shares(2, {"--overwrite"});
  EXPECT_EQ(merge().status, 0);
  expect_same();
  EXPECT_EQ(merge().status, 0);
}

TEST_F(Sharing, AnotherNumberOfSharesMayFollowWhenAllIsJoined) {
  write_small_model(folder_ / "w", 2);
  for (const int count : {3, 2}) {
    run_shares(count, {"--level", std::to_string(count)});
    for (const char* time : {"first", "again"}) {
      const ProgramRun joined = merge();
      EXPECT_EQ(joined.status, 0) << count << ", " << time << joined.err;
    }
  }
}

TEST_F(Sharing, ASceneThatFailsCostsThatSceneAndIsNamedByTheMerge) {
  write_small_model(folder_ / "w", 2);
  write_file(folder_ / "in/d.tif", std::string("no TIFF"));
  for (const int index : {1, 2}) run_share(index, 2);
  const ProgramRun joined = merge();
  EXPECT_EQ(joined.status, 1);
  EXPECT_TRUE(has(joined.err, "d.tif: shard 2 of 2 has failed: ")) << joined.err;
  EXPECT_TRUE(fs::exists(folder_ / "out/b.tif"));
}

TEST_F(Sharing, OneImageIsSharedUnderTheNameOfItsResult) {
  write_small_model(folder_ / "w", 2);
  const auto one = [&](const Words& more) {
    return run_program("eval_superres_net", Words{"--data_path", folder_ / "in/b.tif", "--pretrained_path",
                                                  folder_ / "w", "--device", "cpu", "--quiet"} +
                                                more);
  };
  ASSERT_EQ(one({"--out_file", folder_ / "whole.tif"}).status, 0);
  for (const char* share : {"1/2", "2/2"})
    ASSERT_EQ(one({"--out_file", folder_ / "big.tif", "--shard", share}).status, 0);
  ASSERT_EQ(one({"--out_file", folder_ / "other.tif", "--shard", "1/2"}).status, 0);
  // The machine that joins may lack what the shards computed with.
  const ProgramRun joined = run_program(
      "env", {"SR_SIMD=baseline", std::string(SR_BIN_DIR) + "/superres_merge", folder_ / "big.tif"});
  EXPECT_EQ(joined.status, 0) << joined.err;
  EXPECT_TRUE(bytes_of(folder_ / "big.tif") == bytes_of(folder_ / "whole.tif"));
  EXPECT_EQ(run_program("superres_merge", {folder_ / "other.tif"}).status, 1);
  EXPECT_EQ(run_program("superres_merge", {folder_ / "nothing.tif"}).status, 1);
}

// The system's interpreter: Debian's GDAL bindings belong to it.
constexpr const char* kPython = "/usr/bin/python3";

TEST_F(Sharing, GdalSeesAVrtOfThePartsAsTheJoinedFileAndTheyCanStillBeJoined) {
  if (run_program(kPython, {"-c", "from osgeo import gdal"}).status != 0)
    GTEST_SKIP() << "GDAL's Python bindings are not installed";
  const std::string judge = std::string(SR_SOURCE_DIR) + "/tests/tools/vrt_judge.py";
  write_small_model(folder_ / "w", 2);
  fs::remove_all(folder_ / "in");
  fs::create_directory(folder_ / "in");
  const ProgramRun made = run_program(kPython, {judge, "make", folder_ / "in"});
  ASSERT_EQ(made.status, 0) << made.err;
  const auto expect_shown = [&](int scenes, int vrts, Words way) {
    SCOPED_TRACE(way.back());
    way = way + Words{"--palette", "copy"};
    ASSERT_EQ(run("whole", way).status, 0);
    run_shares(2 * scenes, way);
    const ProgramRun shown = merge({"--vrt"});
    EXPECT_EQ(shown.status, 0) << shown.err;
    const auto there = results("out");
    EXPECT_EQ(std::ranges::count_if(there, [](const auto& file) { return file.first.ends_with(".vrt"); }),
              vrts);
    const ProgramRun judged = run_program(kPython, {judge, "judge", folder_ / "out", folder_ / "whole"});
    EXPECT_EQ(judged.status, 0) << judged.out << judged.err;
    EXPECT_TRUE(has(run_share(1, 2 * scenes, way).out, "is there, made of")) << "it is not made twice";
    EXPECT_EQ(merge({"--vrt"}).status, 0) << "and shown again";
    EXPECT_EQ(merge({"--status"}).status, 0);
    const ProgramRun joined = merge();
    EXPECT_EQ(joined.status, 0) << joined.err;
    expect_same();
    fs::remove_all(folder_ / "out"), fs::remove_all(folder_ / "whole");
  };
  expect_shown(9, 18, {"--bicubic"});
  for (const auto& entry : fs::directory_iterator(folder_ / "in"))
    if (entry.path().filename() != "mask.tif") fs::remove(entry.path());
  expect_shown(1, 1, {"--cog"});
  expect_shown(1, 1, {"--interleave", "band"});
}

TEST_F(Sharing, NamesAreRelativeToTheFolderThatTheShardsRanIn) {
  write_small_model(folder_ / "w", 2);
  const auto shell = [&](const std::string& script) {
    return run_program("bash",
                       {"-ec", "PATH='" SR_BIN_DIR "':$PATH; cd '" + folder_.path() + "'; " + script});
  };
  const std::string options = " --pretrained_path w --upsampling_factor 2 --device cpu --quiet ";
  const ProgramRun run = shell("for i in 1 2; do eval_superres_net --data_path in" + options +
                               "--shard $i/2; done; mv in_x2 w/out; " +
                               "cd w; superres_merge out/; superres_merge --status ../w/out");
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_TRUE(fs::exists(folder_ / "w/out/b.tif")) << "where the parts were found";
}

TEST_F(Sharing, NotesThatAreDamagedAreNamedOrCountAsMissing) {
  write_small_model(folder_ / "w", 2);
  run_shares(2);
  const std::string file = folder_ / "out/shard-2-of-2.jsonl", notes = bytes_of(file);
  const auto status_with = [&](const std::string& text) {
    std::ofstream(file, std::ios::binary) << text;
    const ProgramRun run = merge({"--status"});
    EXPECT_EQ(run.status, 1) << text;
    EXPECT_FALSE(has(run.err, "[json")) << run.err;
    return run.out + run.err;
  };
  const size_t first = notes.find('\n') + 1;
  for (size_t end = first; end + 20 < notes.size(); end += notes.size() / 5)
    EXPECT_TRUE(has(status_with(notes.substr(0, end)), "tif: shard 2 of 2"))
        << "as far as a killed shard came";
  for (const std::string& text : {notes.substr(0, first / 2), std::string(), std::string("[]\n{}\n"),
                                  notes.substr(0, first) + "{\"scene\":1}\n"})
    EXPECT_TRUE(has(status_with(text), "shard-2-of-2.jsonl: it is not what a shard"));
  EXPECT_TRUE(has(status_with(notes.substr(0, first) + "{\"scene\":\"b.tif\",\"part\":\"{}\"}\n"),
                  "b.tif: shard 2 of 2"));
}

TEST_F(Sharing, KillsAtRandomMomentsEndInTheFilesOfOneRun) {
  write_small_model(folder_ / "w", 2);
  const Words way{"--cog"};
  ASSERT_EQ(run("whole", way).status, 0);
  std::mt19937 random(3);
  std::uniform_real_distribution<double> moment(0.01, kInstrumented ? 4 : 0.5);
  const auto killed = [&](const std::string& program, const Words& words) {
    return run_program(
        "timeout",
        Words{"-s", "KILL", std::to_string(moment(random)), std::string(SR_BIN_DIR) + "/" + program} + words);
  };
  const int wanted = kInstrumented ? 3 : 12;
  for (int kills = 0, round = 0; kills < wanted && round < 40; ++round) {
    for (const char* share : {"2/2", "1/2"})
      kills += killed("eval_superres_net", command("out", way + Words{"--shard", share})).status != 0;
    kills += killed("superres_merge", {folder_ / "out"}).status != 0;
    for (const auto& [name, bytes] : results("out"))
      if (name.ends_with(".tif")) {
        EXPECT_TRUE(bytes == bytes_of(folder_ / ("whole/" + name))) << name;
      }
  }
  run_shares(2, way);
  EXPECT_EQ(merge().status, 0);
  expect_same();
}

class SharesOfAScheduler : public testing::Test {
 protected:
  ProgramRun with(const Words& variables, const Words& more = {}) const {
    return run_program("env", variables +
                                  Words{std::string(SR_BIN_DIR) + "/eval_superres_net", "--data_path",
                                        folder_ / "a.tif", "--bicubic_only", "--out_path", folder_ / "out"} +
                                  more);
  }

  void SetUp() override {
    run_program("make_scene", {"--out", folder_ / "a.tif", "--width", "20", "--height", "10", "--quiet"});
  }

  TestFolder folder_;
};

TEST_F(SharesOfAScheduler, AreTakenFromItsVariablesAndSaid) {
  const std::vector<std::pair<Words, std::string>> cases{
      {{"SLURM_ARRAY_TASK_ID=7", "SLURM_ARRAY_TASK_MIN=4", "SLURM_ARRAY_TASK_MAX=10",
        "SLURM_ARRAY_TASK_STEP=3", "SLURM_ARRAY_TASK_COUNT=3"},
       "shard 2 of 3 (SLURM_ARRAY_TASK_ID)"},
      {{"SLURM_PROCID=3", "SLURM_STEP_NUM_TASKS=5"}, "shard 4 of 5 (SLURM_PROCID)"},
      {{"OMPI_COMM_WORLD_RANK=0", "OMPI_COMM_WORLD_SIZE=2", "SLURM_PROCID=1", "SLURM_STEP_NUM_TASKS=3"},
       "shard 1 of 2 (OMPI_COMM_WORLD_RANK)"},
      {{"PMI_RANK=8", "PMI_SIZE=9"}, "shard 9 of 9 (PMI_RANK)"},
      {{"SLURM_ARRAY_TASK_ID=1", "SLURM_ARRAY_TASK_MIN=0", "SLURM_ARRAY_TASK_COUNT=3", "SLURM_PROCID=1",
        "SLURM_STEP_NUM_TASKS=4"},
       "shard 6 of 12 (SLURM_ARRAY_TASK_ID and SLURM_PROCID)"}};
  for (const auto& [variables, line] : cases) {
    const ProgramRun run = with(variables);
    EXPECT_EQ(run.status, 0) << run.err;
    EXPECT_TRUE(has(run.out, line)) << run.out;
    const ProgramRun none = with(variables, {"--shard", "none"});
    EXPECT_FALSE(has(none.out, "shard")) << none.out;
    EXPECT_TRUE(has(with(variables, {"--shard", "2/3"}).out, "shard 2 of 3 (--shard)"));
  }
  for (const Words& one :
       {Words{"SLURM_PROCID=0", "SLURM_NTASKS=8"}, Words{"PMI_RANK=0", "PMI_SIZE=1"},
        Words{"SLURM_ARRAY_TASK_ID=5", "SLURM_ARRAY_TASK_MIN=5", "SLURM_ARRAY_TASK_COUNT=1"}})
    EXPECT_FALSE(has(with(one).out, "shard")) << one[1];
}

TEST_F(SharesOfAScheduler, ThatAreNoneAreWrongUsage) {
  for (const char* share : {"0/3", "4/3", "1", "1/", "x/3", "1/0", "-1/3", "1/3x"}) {
    const ProgramRun run = with({}, {"--shard", share});
    EXPECT_EQ(run.status, 2) << share;
    EXPECT_TRUE(has(run.err, "I/N")) << run.err;
  }
  EXPECT_EQ(with({"PMI_RANK=9", "PMI_SIZE=9"}).status, 2);
  EXPECT_EQ(with({"PMI_RANK=one", "PMI_SIZE=9"}).status, 2);
  const ProgramRun gaps = with({"SLURM_ARRAY_TASK_ID=3", "SLURM_ARRAY_TASK_MIN=1", "SLURM_ARRAY_TASK_MAX=9",
                                "SLURM_ARRAY_TASK_COUNT=3"});
  EXPECT_EQ(gaps.status, 2);
  EXPECT_TRUE(has(gaps.err, "gaps")) << gaps.err;
  EXPECT_FALSE(fs::exists(folder_ / "out"));
}

}  // namespace
}  // namespace sr
