// Runs of eval_superres_net on a GPU that are killed; in an emulated build the program has an emulated one.
#include <cstdlib>

#include "tests/tools/resume_fixture.h"

namespace sr {
namespace {

class ResumeOnGpu : public Resume {
 protected:
  ResumeOnGpu() { setenv("SR_EMULATED_GPUS", "1", 1); }
  ~ResumeOnGpu() override { unsetenv("SR_EMULATED_GPUS"); }
  // Low rows of tiles, for an emulated GPU is slow.
  void SetUp() override {
    Resume::SetUp();
    make_scene(in_, "1", "260", "40");
    rows_of_tiles_ = "2", device_ = "cuda";
  }
};

TEST_F(ResumeOnGpu, KillsAtRandomMomentsEndInTheFilesOfAnUninterruptedRun) {
  kill_at_random_moments(kInstrumented ? 6 : 50);
}

// By hand with --gtest_also_run_disabled_tests: minutes under the sanitizers.
TEST_F(ResumeOnGpu, DISABLED_FiftyKillsEndInTheFilesOfAnUninterruptedRun) {
  kill_at_random_moments(50);
}

TEST_F(ResumeOnGpu, DISABLED_FiftyKillsOfRunsThatMakeCogsEndInTheFilesOfAnUninterruptedRun) {
  make_scene(in_, "1", "620", "16");  // several blocks of 512 of the result beside each other
  rows_of_tiles_ = "1";
  kill_at_random_moments(50, {"--cog"});
}

}  // namespace
}  // namespace sr
