// Trainings by several processes, started by each mpirun that is installed.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "idn/checkpoint_files.h"
#include "tensor/bands/kernels.h"
#include "tests/support/instrumented.h"
#include "tests/training/processes_fixture.h"

namespace sr {
namespace {

class Processes : public StartedByMpirun {
 protected:
  static void SetUpTestSuite() {
    StartedByMpirun::SetUpTestSuite();
    make_data("luma", {});
    make_data("joint", {"--bands", "3", "--type", "u16"});
  }

  void expect_bits_of_one(const Arguments& more, const std::vector<int>& processes,
                          const std::string& data = "luma") {
    const ProgramRun plain = train(0, options("plain", more, data));
    ASSERT_EQ(plain.status, 0) << plain.err;
    for (const int n : processes) {
      const std::string name = "of" + std::to_string(n);
      const ProgramRun run = train(n, options(name, more, data));
      ASSERT_EQ(run.status, 0) << run.err;
      EXPECT_TRUE(checkpoints(name) == checkpoints("plain")) << n << " processes";
    }
  }
};

const Arguments kSpan{"--network", "span", "--channels", "16", "--blocks", "1"};

TEST_P(Processes, AnyNumberOfThemGivesTheBitsOfOne) {
  expect_bits_of_one(kIdn, kInstrumented ? std::vector<int>{3} : std::vector<int>{1, 2, 3, 4});
}

TEST_P(Processes, BranchesWithSsimAndSpectralAngleToo) {
  expect_bits_of_one(with(kSpan, {"--loss", "ssim", "--spectral_angle", "0.1"}), {3}, "joint");
}

TEST_P(Processes, Bfloat16Too) {
  if (!bands::has_bf16()) GTEST_SKIP() << "this processor has no products of bfloat16";
  expect_bits_of_one(with(kIdn, {"--precision", "bf16"}),
                     kInstrumented ? std::vector<int>{3} : std::vector<int>{2, 3});
}

TEST_P(Processes, ARestoreWithAnotherNumberGoesOnWithTheSameBits) {
  ASSERT_EQ(train(0, options("plain", with(kIdn, {"--nepochs", "2"}))).status, 0);
  ASSERT_EQ(train(3, options("run", kIdn)).status, 0);
  const ProgramRun run = train(2, options("run", with(kIdn, {"--nepochs", "2", "--restore"})));
  ASSERT_EQ(run.status, 0) << run.err;
  EXPECT_EQ(text_of_file(find_checkpoint(out("run"), 2)), text_of_file(find_checkpoint(out("plain"), 2)));
}

TEST_P(Processes, TheFirstAloneTalksAndWrites) {
  const ProgramRun run = train(3, options("run", kIdn));
  ASSERT_EQ(run.status, 0) << run.err;
  for (const std::string once : {"in each of 3 processes", "parameters, x2", "finished after"}) {
    const size_t at = run.out.find(once);
    ASSERT_NE(at, std::string::npos) << once << " in " << run.out;
    EXPECT_EQ(run.out.find(once, at + 1), std::string::npos) << run.out;
  }
  const auto logs = fs::directory_iterator(out("run") + "/x2/Log");
  EXPECT_EQ(std::distance(fs::begin(logs), fs::end(logs)), 1);
}

TEST_P(Processes, WhatIsNotAlikeIsRefused) {
  const auto refused = [&](const Arguments& first, const Arguments& second, const std::string& text) {
    Arguments all = start_of(1);
    all.push_back(kProgram);
    for (const std::string& a : options("run", with(kIdn, first))) all.push_back(a);
    all.insert(all.end(), {":", "-np", "1"});
    all.insert(all.end(), second.begin(), second.end());
    const ProgramRun run = run_program(mpirun(), all, 60);
    EXPECT_NE(run.status, 0);
    EXPECT_EQ(run.signal, 0) << "it did not end by itself";
    EXPECT_NE(run.err.find(text), std::string::npos) << run.err;
    EXPECT_FALSE(fs::exists(out("run") + "/x2/ckpts/ckpt-00000000.sr"));
  };
  refused({}, with({kProgram}, options("run", with(kIdn, {"--seed", "2"}))),
          "of rank 1 the option --seed is 2");
  refused({}, with({kProgram}, options("run", with(kIdn, {"--lr_multipliers"}))),
          "of rank 1 the option --lr_multipliers is yes, that of rank 0 not given");
  refused({}, with({"env", "SR_SIMD=baseline", kProgram}, options("run", kIdn)),
          "of rank 1 the arithmetic is");
  refused({}, with({kProgram}, options("run", kIdn, "joint")), "of rank 1 the ");
  refused({}, with({kProgram}, options("run", with(kIdn, {"--unknown"}))), "not expected: --unknown");
}

TEST_P(Processes, MoreThanPairsOfPatchesAndAGpuThatIsNotThereAreRefused) {
  const ProgramRun many = train(3, options("run", with(kIdn, {"--batch_size", "4"})));
  EXPECT_NE(many.status, 0);
  EXPECT_NE(many.err.find("start 2 or fewer, or use --batch_size 6"), std::string::npos) << many.err;
  const ProgramRun gpu = train(2, options("run", with(kIdn, {"--device", "cuda"})));
  EXPECT_NE(gpu.status, 0);
  EXPECT_NE(gpu.err.find("cuda: "), std::string::npos) << gpu.err;
}

TEST_P(Processes, AKilledOneEndsAllAndTheNextRunHasTheBitsOfOneUndisturbed) {
  constexpr int kSteps = kInstrumented ? 9 : 20;  // of three an epoch
  const Arguments epochs{"--nepochs", std::to_string(kSteps / 3), "--quiet"};
  const std::string said =
      kill_one_of(3, options("run", with(kIdn, epochs)), out("run") + "/x2/ckpts/best.sr");
  EXPECT_FALSE(fs::exists(out("run") + "/x2/report.html"));
  const ProgramRun again = train(2, options("run", with(kIdn, with(epochs, {"--restore"}))));
  ASSERT_EQ(again.status, 0) << again.err << said;
  ASSERT_EQ(train(0, options("plain", with(kIdn, epochs))).status, 0);
  EXPECT_EQ(text_of_file(find_checkpoint(out("run"), 2)), text_of_file(find_checkpoint(out("plain"), 2)));
}

INSTANTIATE_TEST_SUITE_P(Mpi, Processes, testing::Values("openmpi", "mpich"),
                         [](const auto& mpi) { return mpi.param; });

// Without mpirun: what it would leave in the environment.
TEST(StartedByMpi, WithoutItsModuleItIsAnErrorAndOneProcessNeedsNone) {
  const TestFolder folder;
  fs::create_directory(folder / "bin");
  const std::string copy = folder / "bin/train_superres_net";
  fs::copy_file(kProgram, copy);
  const auto run = [&](const std::string& variable, const std::string& size) {
    return run_program(
        "env", {variable + "=" + size, copy, "--data_path", folder / "none", "--out_path", folder / "out"});
  };
  for (const std::string variable : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"}) {
    const ProgramRun several = run(variable, "2");
    EXPECT_EQ(several.status, 1);
    EXPECT_NE(several.err.find("has no module for it"), std::string::npos) << several.err;
    EXPECT_NE(run(variable, "1").err.find("none"), std::string::npos) << "goes on to look for its data";
  }
  const ProgramRun by_slurm = run("SLURM_STEP_NUM_TASKS", "4");
  EXPECT_EQ(by_slurm.status, 2);
  EXPECT_NE(by_slurm.err.find("srun --mpi=pmix"), std::string::npos) << by_slurm.err;
}

}  // namespace
}  // namespace sr
