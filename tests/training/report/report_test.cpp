#include "training/report/report.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <sstream>

#include "io/formats/picture.h"
#include "tests/support/expect_error.h"
#include "tests/support/run_program.h"
#include "training/report/residual_picture.h"

namespace sr {
namespace {

std::vector<HistoryPoint> history_of(int64_t points, int64_t validation_every) {
  std::vector<HistoryPoint> history;
  for (int64_t i = 1; i <= points; ++i) {
    const auto x = static_cast<double>(i) / static_cast<double>(points);
    HistoryPoint p;
    p.step = 10 * i;
    p.epoch = i / 7;
    p.seconds = 3 * x;
    p.learning_rate = 1e-3 * x;
    p.train_loss = 0.1 / (x + 0.01);
    p.pixels_per_second = 170'000;
    if (i % validation_every == 0) {
      p.validation_loss = 0.2 / (x + 0.01);
      p.psnr = 37 - 8 * (x - 0.5) * (x - 0.5);
      p.ssim = 0.95;
      p.bicubic_psnr = 33.66;
      p.bicubic_ssim = 0.93;
    }
    history.push_back(p);
  }
  return history;
}

Raster grey(int64_t side, int bands, uint8_t value) {
  Raster picture({0, 0, side, side}, bands, SampleType::u8);
  std::fill(picture.samples.begin(), picture.samples.end(), std::byte{value});
  return picture;
}

class ReportPage : public testing::Test {
 protected:
  std::string page(const Report& report) const {
    write_report(path_, report);
    return text_of_file(path_);
  }
  std::string page(std::vector<HistoryPoint> history) const {
    Report report;
    report.history = std::move(history);
    return page(report);
  }

  const TestFolder folder_;
  const std::string path_ = folder_ / "report.html";
};

size_t count_of(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

void expect_part(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << "without " << part;
}

/// Every part of the text that stands between these two.
std::vector<std::string> parts_between(const std::string& text, const std::string& before,
                                       const std::string& after) {
  std::vector<std::string> parts;
  for (size_t at = text.find(before); at != std::string::npos; at = text.find(before, at)) {
    at += before.size();
    parts.push_back(text.substr(at, text.find(after, at) - at));
  }
  return parts;
}

/// The numbers of each of the class's lines, the legends' aside.
std::vector<std::vector<double>> lines_of(const std::string& html, const std::string& css_class) {
  std::vector<std::vector<double>> lines;
  for (std::string path : parts_between(html, "<path class=\"" + css_class + "\" d=\"", "\"")) {
    if (path == "M0 4L20 4") continue;
    std::replace_if(
        path.begin(), path.end(), [](char c) { return c == 'M' || c == 'L'; }, ' ');
    std::istringstream numbers(path);
    lines.emplace_back(std::istream_iterator<double>(numbers), std::istream_iterator<double>());
    EXPECT_TRUE(numbers.eof()) << path;
  }
  return lines;
}

std::vector<size_t> points_in_lines_of(const std::string& html, const std::string& css_class) {
  std::vector<size_t> points;
  for (const auto& line : lines_of(html, css_class)) points.push_back(line.size() / 2);
  return points;
}

TEST_F(ReportPage, FiguresOfLastAndBestStandAgainstBicubic) {
  const std::string html = page(history_of(100, 10));
  expect_part(html, "<th>Bicubic</th><td>33.66</td><td>&ndash;</td><td>0.9300</td>");
  expect_part(html, "<th>Best, step 500</th><td>37.00</td><td>+3.34</td><td>0.9500</td><td>+0.0200</td>");
  expect_part(html, "<th>Last, step 1,000</th><td>35.00</td><td>+1.34</td>");
  expect_part(html, "1,000 steps, 14 epochs, 3 s of training");
  auto equal = history_of(100, 10);
  equal[69].psnr = 37;
  expect_part(page(equal), "<th>Best, step 500</th>");  // of equals the first
  auto worse = history_of(100, 100);
  worse.back().psnr = 33.16;
  expect_part(page(worse), "<th>Last and best, step 1,000</th><td>33.16</td><td>&minus;0.50</td>");
}

TEST_F(ReportPage, EveryFigureHasItsCurve) {
  const std::string html = page(history_of(100, 10));
  for (const char* title : {"Loss, logarithmic", "PSNR, dB", "SSIM", "Learning rate", "Pixels per second"})
    expect_part(html, std::string("<h3>") + title + "</h3>");
  for (const char* key : {"training <b>0.09901</b>", "validation <b>0.198</b>", "network <b>35</b>",
                          "bicubic <b>33.66</b>", "<b>0.001</b>", "<b>170k</b>"})
    expect_part(html, key);
  // Loss, PSNR, SSIM, rate and speed.
  EXPECT_EQ(points_in_lines_of(html, "curve-0"), (std::vector<size_t>{100, 10, 10, 100, 100}));
  EXPECT_EQ(points_in_lines_of(html, "curve-1"), std::vector<size_t>{10});
  EXPECT_EQ(points_in_lines_of(html, "reference"), (std::vector<size_t>{10, 10}));
}

TEST_F(ReportPage, CurvesRunFromLeftToRightAndFollowTheirFigures) {
  auto history = history_of(50, 100);
  for (HistoryPoint& p : history) p.pixels_per_second = static_cast<double>(p.step);
  const std::vector<double> rising = lines_of(page(history), "curve-0").at(2);
  ASSERT_EQ(rising.size(), 100u);
  for (size_t i = 2; i < rising.size(); i += 2) {
    EXPECT_NEAR(rising[i] - rising[i - 2], (rising[98] - rising[0]) / 49, 0.11);
    EXPECT_NEAR(rising[i + 1] - rising[i - 1], (rising[99] - rising[1]) / 49, 0.11);  // y runs downwards
  }
  EXPECT_GT(rising[98] - rising[0], 300);
  EXPECT_LT(rising[99] - rising[1], -100);
}

TEST_F(ReportPage, TicksAreRoundAndToldApart) {
  const auto ticks_between = [&](double low, double high) {
    auto history = history_of(2, 1);
    for (HistoryPoint& p : history) p.psnr = p.bicubic_psnr = low;
    history.back().psnr = history.back().bicubic_psnr = high;
    const std::string figure = parts_between(page(history), "<h3>PSNR", "</figure>").at(0);
    std::vector<std::string> ticks;
    for (const std::string& tick : parts_between(figure, "x=\"44\" y=\"", "<"))
      ticks.push_back(tick.substr(tick.find('>') + 1));
    return ticks;
  };
  using Labels = std::vector<std::string>;
  EXPECT_EQ(ticks_between(30, 38), (Labels{"30", "32", "34", "36", "38"}));
  EXPECT_EQ(ticks_between(0.9, 1), (Labels{"0.90", "0.92", "0.94", "0.96", "0.98", "1.00"}));
  EXPECT_EQ(ticks_between(-2, 2), (Labels{"-2", "-1", "0", "1", "2"}));
  EXPECT_EQ(ticks_between(0, 9e-5), (Labels{"0", "2e-5", "4e-5", "6e-5", "8e-5"}));
  EXPECT_EQ(ticks_between(37.29651, 37.29655),
            (Labels{"37.29651", "37.29652", "37.29653", "37.29654", "37.29655"}));
  EXPECT_EQ(ticks_between(1.2e6, 2e6), (Labels{"1.2M", "1.4M", "1.6M", "1.8M", "2.0M"}));
}

TEST_F(ReportPage, HundredThousandPointsAreDrawnSmallAndWithTheirSpikes) {
  auto history = history_of(100'000, 1);
  EXPECT_LT(page(history).size(), 600'000u);
  for (HistoryPoint& p : history) p.train_loss = *(p.validation_loss = 1);
  history[54'321].train_loss = 1000;
  history[76'543].train_loss = 0.001;
  const std::vector<double> line = lines_of(page(history), "curve-0").at(0);
  double highest = line.at(1), lowest = line.at(1);
  for (size_t i = 1; i < line.size(); i += 2) {
    highest = std::min(highest, line[i]);  // y runs downwards
    lowest = std::max(lowest, line[i]);
  }
  EXPECT_NEAR(line.back() - highest, lowest - line.back(), 1);
  EXPECT_GT(lowest - highest, 100);
}

TEST_F(ReportPage, FirstStepsDoNotFlattenThePsnrOfTheOthers) {
  auto history = history_of(100, 1);
  for (HistoryPoint& p : history) p.psnr = 35 + 0.0002 * static_cast<double>(p.step), p.bicubic_psnr = 35;
  const auto rise = [&] {
    const std::vector<double> line = lines_of(page(history), "curve-0").at(1);
    return line.at(21) - line.back();
  };
  const double without = rise();
  history[0].psnr = 5;
  EXPECT_GT(without, 50);
  EXPECT_GT(rise(), without / 3);
}

TEST_F(ReportPage, OnePointIsADot) {
  auto history = history_of(1, 1);
  history[0].step = history[0].epoch = 1;
  const std::string html = page(history);
  EXPECT_EQ(count_of(html, "<circle"), 8u);
  expect_part(html, "1 step, 1 epoch, 3 s");
}

TEST_F(ReportPage, WhatIsNoNumberInterruptsTheLineAndIsSaid) {
  auto history = history_of(10, 100);
  history[4].train_loss = NAN;
  const std::string gap = page(history);
  EXPECT_EQ(count_of(gap, "no number"), 0u);
  EXPECT_EQ(count_of(parts_between(gap, "<path class=\"curve-0\" d=\"", "\"").at(1), "M"), 2u) << "two lines";
  expect_part(gap, "No validation was made.");
  history.back().train_loss = NAN;
  expect_part(page(history), "training <b>no number</b>");
  for (HistoryPoint& p : history) {
    p.train_loss = p.learning_rate = NAN;
    p.pixels_per_second = INFINITY;
    p.psnr = p.bicubic_psnr = NAN;
  }
  for (const std::string& html : {page(history), gap}) {
    const std::string drawn = html.substr(html.find("<body>"));
    EXPECT_EQ(count_of(drawn, "nan"), 0u);
    EXPECT_EQ(count_of(drawn, "inf"), 0u);
  }
}

TEST_F(ReportPage, LossBelowZeroOrBeyondMeasureHasALinearAxis) {
  auto history = history_of(10, 1);
  history[3].train_loss = 1e300;
  history[4].train_loss = 1e-300;
  expect_part(page(history), "<h3>Loss</h3>");
  for (HistoryPoint& p : history) p.train_loss = -p.train_loss;
  expect_part(page(history), "<h3>Loss</h3>");
}

TEST_F(ReportPage, EmptyRunHasAPage) {
  const std::string html = page(std::vector<HistoryPoint>{});
  expect_part(html, "No step was taken.");
  EXPECT_EQ(count_of(html, "<svg"), 0u);
}

TEST_F(ReportPage, TextIsShownLiterally) {
  const std::string hostile = "\"><script>alert('1 & 2')</script>";
  const std::string shown = "&quot;&gt;&lt;script&gt;alert(&#39;1 &amp; 2&#39;)&lt;/script&gt;";
  Report report;
  report.title = report.outcome = hostile;
  report.options = {{hostile, hostile}};
  report.pictures.push_back(
      {hostile, grey(8, 1, 1), grey(8, 1, 2), grey(8, 1, 3), grey(8, 3, 4), grey(8, 3, 5), 0.1});
  const std::string html = page(report);
  EXPECT_EQ(count_of(html, "<script"), 0u);
  EXPECT_EQ(count_of(html, "alert('"), 0u);
  EXPECT_EQ(count_of(html, shown), 2u + 1 + 2 + 1 + 5);  // title twice, outcome, option, heading, alt texts
}

TEST_F(ReportPage, PicturesAreInThePage) {
  Report report;
  const Raster pictures[] = {grey(8, 3, 10), grey(8, 3, 20), grey(8, 3, 30), grey(8, 3, 40), grey(8, 3, 50)};
  report.pictures.push_back(
      {"scene 1", pictures[0], pictures[1], pictures[2], pictures[3], pictures[4], 0.05});
  const std::string html = page(report);
  expect_part(html, "<h3>scene 1</h3>");
  expect_part(html, "&minus;0.05");
  expect_part(html, "+0.05");
  const std::string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::vector<Raster> found;
  for (const std::string& text : parts_between(html, "src=\"data:image/png;base64,", "\"")) {
    const std::string digits = text.substr(0, text.find('='));
    EXPECT_EQ(text.size() % 4, 0u);
    EXPECT_LE(text.size() - digits.size(), 2u);
    EXPECT_EQ(digits.find_first_not_of(alphabet), std::string::npos);
    std::string bytes;
    uint32_t bits = 0;
    for (size_t k = 0; k < digits.size(); ++k) {
      bits = bits << 6 | static_cast<uint32_t>(alphabet.find(digits[k]));
      if (k % 4 != 0) bytes += static_cast<char>(bits >> (6 - 2 * (k % 4)));
    }
    std::ofstream(folder_ / "a.png", std::ios::binary) << bytes;
    found.push_back(read_picture(folder_ / "a.png"));
  }
  ASSERT_EQ(found.size(), 6u);
  for (const size_t i : {0u, 1u, 2u}) EXPECT_EQ(found[i].samples, pictures[i].samples);
  for (const size_t i : {3u, 4u}) EXPECT_EQ(found[i + 1].samples, pictures[i].samples);
  const Tensor ends = Tensor::from(Shape{1, 1, 2, 1}, std::vector<float>{-1, 1});
  const auto colours = false_colour(ends, 1).samples;
  EXPECT_TRUE(std::equal(colours.begin(), colours.begin() + 3, found[3].samples.begin()));
  EXPECT_TRUE(std::equal(colours.begin() + 3, colours.end(), found[3].samples.end() - 3));
}

TEST_F(ReportPage, NothingIsLoadedFromElsewhere) {
  Report report;
  report.title = report.outcome = "a";
  report.options = {{"b", "c"}};
  report.history = history_of(100, 10);
  report.pictures.push_back(
      {"d", grey(8, 1, 1), grey(8, 1, 2), grey(8, 1, 3), grey(8, 3, 4), grey(8, 3, 5), 0.1});
  const std::string html = page(report);
  for (const char* part :
       {"http:", "https:", "<script", "<link", "<iframe", "@import", "url(", "href=", " on"})
    EXPECT_EQ(count_of(html, part), 0u) << part;
  EXPECT_EQ(count_of(html, "src="), count_of(html, "src=\"data:image/png;base64,"));
}

TEST_F(ReportPage, OldPageStaysIfTheNewOneCannotBeMade) {
  const std::string old = page(history_of(3, 1));
  Report report;
  report.pictures.push_back({"no pixels", Raster(), Raster(), Raster(), Raster(), Raster(), 0.1});
  expect_error(Error::Kind::unsupported, "0 x 0", [&] { write_report(path_, report); });
  EXPECT_EQ(text_of_file(path_), old);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_.path()), {}), 1);
  expect_error(Error::Kind::io, folder_ / "no/such",
               [&] { write_report(folder_ / "no/such/report.html", {}); });
}

}  // namespace
}  // namespace sr
