#include "training/report/history.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "io/json_text.h"
#include "tests/support/expect_error.h"
#include "tests/support/run_program.h"

namespace sr {
namespace {

HistoryPoint point_at(int64_t step) {
  HistoryPoint point;
  point.step = step;
  point.epoch = step / 30;
  point.seconds = 0.1 * static_cast<double>(step);
  point.learning_rate = 1e-3 / 3;
  point.train_loss = 0.1 + 1.0 / static_cast<double>(step + 1);
  point.pixels_per_second = 123456.789;
  if (step % 100 == 0) {
    point.validation_loss = 0.3;
    point.psnr = 37.1;
    point.ssim = 0.95;
    point.bicubic_psnr = 33.66;
    point.bicubic_ssim = 0.93;
    point.spectral_angle = 1.5;
    point.bicubic_spectral_angle = 2.25;
  }
  return point;
}

void expect_same(const HistoryPoint& a, const HistoryPoint& b) {
  EXPECT_EQ(a.step, b.step);
  EXPECT_EQ(a.epoch, b.epoch);
  EXPECT_EQ(a.seconds, b.seconds);
  EXPECT_EQ(a.learning_rate, b.learning_rate);
  EXPECT_EQ(a.train_loss, b.train_loss);
  EXPECT_EQ(a.pixels_per_second, b.pixels_per_second);
  EXPECT_EQ(a.validation_loss, b.validation_loss);
  EXPECT_EQ(a.psnr, b.psnr);
  EXPECT_EQ(a.ssim, b.ssim);
  EXPECT_EQ(a.bicubic_psnr, b.bicubic_psnr);
  EXPECT_EQ(a.bicubic_ssim, b.bicubic_ssim);
  EXPECT_EQ(a.spectral_angle, b.spectral_angle);
  EXPECT_EQ(a.bicubic_spectral_angle, b.bicubic_spectral_angle);
}

std::vector<int64_t> steps_of(const TrainingHistory& history) {
  std::vector<int64_t> steps;
  for (const HistoryPoint& point : history.points()) steps.push_back(point.step);
  return steps;
}

class History : public testing::Test {
 protected:
  /// A run that took these steps.
  void run(std::initializer_list<int64_t> steps, int64_t restored = 0) {
    TrainingHistory history(path_, restored);
    for (const int64_t step : steps) history.add(point_at(step));
  }
  void write(const std::string& text) const { std::ofstream(path_, std::ios::binary) << text; }

  const TestFolder folder_;
  const std::string path_ = folder_ / "history.jsonl";
};

TEST_F(History, PointsComeBackToTheLastBit) {
  run({50, 100, 150});
  const TrainingHistory back(path_, 150);
  ASSERT_EQ(steps_of(back), (std::vector<int64_t>{50, 100, 150}));
  for (const HistoryPoint& point : back.points()) expect_same(point, point_at(point.step));
}

TEST_F(History, EveryPointIsALineOfJsonOnceItIsAdded) {
  TrainingHistory history(path_, 0);
  EXPECT_EQ(text_of_file(path_), "");
  history.add(point_at(100));
  history.add(point_at(150));
  std::istringstream lines(text_of_file(path_));
  std::string line;
  std::getline(lines, line);
  EXPECT_EQ(nlohmann::json::parse(line).at("psnr"), 37.1);
  std::getline(lines, line);
  EXPECT_EQ(nlohmann::json::parse(line).at("step"), 150);
  EXPECT_FALSE(nlohmann::json::parse(line).contains("psnr"));
  EXPECT_FALSE(std::getline(lines, line));
}

TEST_F(History, WhatIsNoNumberStaysNone) {
  HistoryPoint point = point_at(1);
  point.train_loss = std::nan("");
  point.psnr = std::numeric_limits<double>::infinity();
  {
    TrainingHistory history(path_, 0);
    history.add(point);
  }
  const TrainingHistory back(path_, 1);
  ASSERT_EQ(back.points().size(), 1u);
  EXPECT_TRUE(std::isnan(back.points()[0].train_loss));
  ASSERT_TRUE(back.points()[0].psnr.has_value());
  EXPECT_TRUE(std::isnan(*back.points()[0].psnr));
  EXPECT_FALSE(back.points()[0].ssim.has_value());
}

TEST_F(History, RestoredRunForgetsWhatFollowedItsCheckpoint) {
  run({50, 100, 150, 200});
  run({120, 170}, 100);
  EXPECT_EQ(steps_of(TrainingHistory(path_, 1000)), (std::vector<int64_t>{50, 100, 120, 170}));
  run({50});
  EXPECT_EQ(steps_of(TrainingHistory(path_, 1000)), std::vector<int64_t>{50}) << "a run from the start";
}

TEST_F(History, LastLineCutOffAnywhereIsDropped) {
  run({50});
  const std::string one = text_of_file(path_);
  run({100}, 50);
  const std::string two = text_of_file(path_);
  for (size_t length = one.size(); length < two.size() - 1; length += 9) {
    write(two.substr(0, length));
    run({60}, 1000);
    ASSERT_EQ(steps_of(TrainingHistory(path_, 1000)), (std::vector<int64_t>{50, 60})) << length;
  }
  write(two.substr(0, two.size() - 1));  // only the end of the line is missing
  run({110}, 1000);
  EXPECT_EQ(steps_of(TrainingHistory(path_, 1000)), (std::vector<int64_t>{50, 100, 110}));
  write(one + std::string(500, '\0'));  // what some file systems leave after a power cut
  EXPECT_EQ(steps_of(TrainingHistory(path_, 1000)), std::vector<int64_t>{50});
  write(one.substr(0, 30));
  EXPECT_EQ(steps_of(TrainingHistory(path_, 1000)), std::vector<int64_t>{});
}

TEST_F(History, FilesThatAreNoHistoryAreAnErrorAndStayAsTheyAre) {
  run({100, 150});
  const std::string whole = text_of_file(path_);
  const auto changed = [&](const std::string& from, const std::string& to) {
    std::string text = whole;
    return text.replace(text.find(from), from.size(), to);
  };
  for (const std::string& text :
       {std::string("hello"), std::string("# notes\n{}\n"), std::string("[1]\n"), std::string(10000, '['),
        changed("step", "pets"), changed("100,", "-1,"), changed("100,", "1e2,"), changed("37.1", "\"37.1\""),
        changed("10.0", "[10]"), changed("{", "{{"), "{\"step\":" + std::string(10000, '[') + "\n" + whole,
        whole + "\n" + whole}) {
    write(text);
    expect_error(Error::Kind::format, path_, [&] { TrainingHistory(path_, 1000); });
    EXPECT_EQ(text_of_file(path_), text);
  }
  expect_error(Error::Kind::io, "no/such", [&] { TrainingHistory(folder_ / "no/such/history.jsonl", 0); });
  expect_error(Error::Kind::io, folder_.path(), [&] { TrainingHistory(folder_.path(), 0); });
}

}  // namespace
}  // namespace sr
