// Trainings on GPUs by several processes, started by each mpirun that is installed.
#include "idn/checkpoint_files.h"
#include "tests/training/processes_fixture.h"

namespace sr {
namespace {

class ProcessesOnGpu : public StartedByMpirun {
 protected:
  static void SetUpTestSuite() {
    StartedByMpirun::SetUpTestSuite();
    setenv("SR_EMULATED_GPUS", "2", 1);
    setenv("SR_EMULATED_NCCL_FOLDER", folder_->path().c_str(), 1);  // a killed one leaves its files
    make_data("luma", {}, 64, 32);
  }
  static void TearDownTestSuite() {
    unsetenv("SR_EMULATED_GPUS");
    unsetenv("SR_EMULATED_NCCL_FOLDER");
    StartedByMpirun::TearDownTestSuite();
  }

  Arguments on_gpu(const std::string& name, const Arguments& more = {}) const {
    return options(name, with({"--device", "cuda", "--batch_size", "4", "--patch_size", "8",
                               "--num_Dist_blocks", "0", "--num_FB_layers", "1", "--validation_steps", "0"},
                              more));
  }

  inline static std::string of_the_other_;  // MPI's last checkpoint
};

// The first by NCCL, the second until its restore through the host's memory.
TEST_P(ProcessesOnGpu, TheSameNumberGivesTheSameBitsEitherWayWithEveryMpiAndAfterARestore) {
  const ProgramRun run = train(2, on_gpu("run", {"--nepochs", "2"}));
  ASSERT_EQ(run.status, 0) << run.err;
  EXPECT_NE(run.out.find("computing in tf32 on "), std::string::npos) << run.out;
  EXPECT_NE(run.out.find(" in each of 2 processes"), std::string::npos) << run.out;
  EXPECT_NE(run.out.find("\non "), std::string::npos) << run.out;
#ifdef SR_CUDA_EMULATED
  EXPECT_NE(run.out.find(": cuda:0, cuda:1\n"), std::string::npos) << run.out;
  EXPECT_NE(run.out.find("\ngradients go from GPU to GPU by NCCL "), std::string::npos) << run.out;
#endif
  setenv("SR_NCCL", "off", 1);
  const ProgramRun again = train(2, on_gpu("again"));
  unsetenv("SR_NCCL");
  ASSERT_EQ(again.status, 0) << again.err;
  EXPECT_NE(again.out.find("\ngradients go through the hosts' memory: rank 0 has no NCCL (SR_NCCL=off"),
            std::string::npos)
      << again.out;
  const ProgramRun restored = train(2, on_gpu("again", {"--nepochs", "2", "--restore"}));
  ASSERT_EQ(restored.status, 0) << restored.err;
  const std::string bytes = text_of_file(find_checkpoint(out("run"), 2));
  EXPECT_TRUE(text_of_file(find_checkpoint(out("again"), 2)) == bytes);
  if (!of_the_other_.empty()) {
    EXPECT_TRUE(bytes == of_the_other_) << "two MPIs";
  }
  of_the_other_ = bytes;
}

// While the other waits for its GPU, which waits for the killed one's gradients.
TEST_P(ProcessesOnGpu, AKilledOneEndsAll) {
  kill_one_of(2, on_gpu("run", {"--nepochs", "1000"}), out("run") + "/x2/ckpts/ckpt-00000000.sr");
  EXPECT_FALSE(fs::exists(out("run") + "/x2/report.html"));
}

INSTANTIATE_TEST_SUITE_P(Mpi, ProcessesOnGpu, testing::Values("openmpi", "mpich"),
                         [](const auto& mpi) { return mpi.param; });

}  // namespace
}  // namespace sr
