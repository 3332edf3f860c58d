#include "training/background.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <vector>

#include "tests/support/expect_error.h"

namespace sr {
namespace {

TEST(Background, WorkIsDoneInItsOrderBesideTheCaller) {
  std::promise<void> go;
  std::vector<int> done;  // by the one thread
  Background beside;
  beside.add([&] { go.get_future().wait(); });
  for (int i = 0; i < 5; ++i) beside.add([&done, i] { done.push_back(i); });
  go.set_value();  // here only: none of it has kept the caller
  beside.wait();
  EXPECT_EQ(done, (std::vector<int>{0, 1, 2, 3, 4}));
}

TEST(Background, WhatIsLeftAtTheEndIsDone) {
  int done = 0;
  {
    Background beside;
    for (int i = 0; i < 100; ++i) beside.add([&] { ++done; });
  }
  EXPECT_EQ(done, 100);
}

TEST(Background, AFailureIsToldToTheNextWhoCallsAndNothingFollowsIt) {
  std::atomic<int> done = 0;
  Background beside;
  beside.add([&] { throw Error(Error::Kind::io, "the disk is full"); });
  expect_error(Error::Kind::io, "the disk is full", [&] { beside.wait(); });
  expect_error(Error::Kind::io, "the disk is full", [&] { beside.add([&] { ++done; }); });
  EXPECT_EQ(done, 0);
}

}  // namespace
}  // namespace sr
