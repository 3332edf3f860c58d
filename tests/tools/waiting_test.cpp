// How a program's threads wait, as the OpenMP library tells it.
#include <gtest/gtest.h>

#include "tests/support/run_program.h"

namespace sr {
namespace {

std::string told_with(std::vector<std::string> environment) {
  std::vector<std::string> arguments{"-u", "OMP_WAIT_POLICY", "-u", "GOMP_SPINCOUNT",
                                     "OMP_DISPLAY_ENV=verbose"};
  arguments.insert(arguments.end(), environment.begin(), environment.end());
  arguments.insert(arguments.end(), {std::string(SR_BIN_DIR) + "/eval_superres_net", "--version"});
  const ProgramRun run = run_program("env", arguments);
  EXPECT_EQ(run.status, 0) << run.err;
  return run.err;
}

TEST(Waiting, AProgramsThreadsSpinForMicrosecondsOnly) {
  EXPECT_NE(told_with({}).find("GOMP_SPINCOUNT = '1000'"), std::string::npos);
}

TEST(Waiting, WhatTheUserChoseStands) {
  const std::string told = told_with({"OMP_WAIT_POLICY=active"});
  EXPECT_NE(told.find("OMP_WAIT_POLICY = 'ACTIVE'"), std::string::npos) << told;
  EXPECT_EQ(told.find("GOMP_SPINCOUNT = '1000'"), std::string::npos) << told;
}

}  // namespace
}  // namespace sr
