// The library as other projects use it: an installed copy, moved elsewhere, without the sources or the build
// beside it.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>

#include "io/output_file.h"
#include "tests/support/run_program.h"

namespace sr {
namespace {

namespace fs = std::filesystem;

constexpr const char* kProject = R"(cmake_minimum_required(VERSION 3.22)
project(consumer LANGUAGES CXX)
find_package(superres 0.1 REQUIRED)
add_subdirectory(examples)
add_executable(every_header every_header.cpp)
target_link_libraries(every_header PRIVATE superres::tensor superres::autograd superres::layers superres::optim
                                           superres::io superres::idn superres::scene)
add_executable(readme readme.cpp)
target_link_libraries(readme PRIVATE superres::scene)
target_compile_definitions(readme PRIVATE PRETRAINED="${superres_PRETRAINED}")
)";

// The program that README.md shows.
std::string program_of_readme() {
  const std::string readme = text_of_file(std::string(SR_SOURCE_DIR) + "/README.md");
  const std::string fence = "```cpp\n";
  const size_t begin = readme.find(fence, readme.find("\n## As a library\n")) + fence.size();
  return readme.substr(begin, readme.find("```", begin) - begin);
}

void write_text(const std::string& path, const std::string& text) {
  std::ofstream(path) << text;
}

class Library : public testing::Test {
 protected:
  // Installed, and moved so that no path of the installation is left.
  void SetUp() override {
    const std::string build = fs::path(SR_BIN_DIR).parent_path().string();
    const ProgramRun installed = run_program("cmake", {"--install", build, "--prefix", folder_ / "there"});
    ASSERT_EQ(installed.status, 0) << installed.err;
    fs::rename(folder_ / "there", prefix_);
  }

  std::string run(const std::string& example, const std::vector<std::string>& arguments = {}) const {
    const ProgramRun run = run_program(folder_ / ("build/examples/" + example), arguments);
    EXPECT_EQ(run.status, 0) << example << ": " << run.out << run.err;
    return run.out;
  }

  std::vector<std::string> installed(const std::string& below) const {
    std::vector<std::string> list;
    for (const auto& entry : fs::recursive_directory_iterator(prefix_ + "/" + below))
      if (entry.is_regular_file()) list.push_back(entry.path().string());
    return list;
  }

  TestFolder folder_;
  std::string prefix_ = folder_ / "here";
};

TEST_F(Library, KnowsNoFolderThatItWasMadeIn) {
  const std::vector<std::string> files = installed("lib/cmake/superres");
  EXPECT_GE(files.size(), 4u);
  for (const std::string& file : files)
    for (const std::string& folder : {std::string(SR_SOURCE_DIR), folder_.path()})
      EXPECT_EQ(text_of_file(file).find(folder), std::string::npos) << file << " names " << folder;
}

TEST_F(Library, IsNotInThePackageOfThePrograms) {
  const std::string build = fs::path(SR_BIN_DIR).parent_path().string();
  const std::string packed = text_of_file(build + "/CPackConfig.cmake");
  EXPECT_NE(packed.find("CPACK_INSTALL_CMAKE_PROJECTS \"" + build + ";superres;Unspecified;/"),
            std::string::npos);
  const ProgramRun run = run_program(
      "cmake", {"--install", build, "--component", "Unspecified", "--prefix", folder_ / "programs"});
  ASSERT_EQ(run.status, 0) << run.err;
  EXPECT_TRUE(fs::exists(folder_ / "programs/bin/eval_superres_net"));
  EXPECT_FALSE(fs::exists(folder_ / "programs/include"));
  EXPECT_FALSE(fs::exists(folder_ / "programs/lib/cmake"));
}

// One test for all, as each test installs and builds by itself.
TEST_F(Library, BuildsTheExamplesElsewhereAndTheyPrintWhatTheySay) {
  fs::create_directory(folder_ / "source");
  fs::copy(std::string(SR_SOURCE_DIR) + "/examples", folder_ / "source/examples");
  write_text(folder_ / "source/CMakeLists.txt", kProject);
  std::string every_header;
  for (const std::string& header : installed("include/superres"))
    every_header +=
        "#include \"" + fs::path(header).lexically_relative(prefix_ + "/include/superres").string() + "\"\n";
  write_text(folder_ / "source/every_header.cpp", every_header + "int main() {}\n");
  write_text(folder_ / "source/readme.cpp", program_of_readme());
  const ProgramRun configured =
      run_program("cmake", {"-S", folder_ / "source", "-B", folder_ / "build", "-G", "Ninja",
                            "-DCMAKE_PREFIX_PATH=" + prefix_, "-DCMAKE_BUILD_TYPE=Release",
                            "-DCMAKE_CXX_FLAGS_RELEASE=-O1"});
  ASSERT_EQ(configured.status, 0) << configured.out << configured.err;
  const ProgramRun built = run_program("cmake", {"--build", folder_ / "build", "-j", "2"});
  ASSERT_EQ(built.status, 0) << built.out << built.err;

  // By hand: ((2 - 6)^2 + (4 - 12)^2) / 2; the means of 2 (2 - 6), 2 (4 - 12) and of these times the pixels.
  EXPECT_EQ(run("tensors_and_gradients"),
            "[1, 1, 2, 1]: 2 4\nloss 40\nd loss / d bias -12\nd loss / d weight -20 -40 -80\n");
  EXPECT_EQ(run("own_layer"), "3 parameters\ngradients and finite differences agree\n");
  EXPECT_NE(run("toy_network").find("after 400 steps 0.00"), std::string::npos);

  const std::string decibels =
      run("one_image", {prefix_ + "/share/superres/pretrained", folder_ / "result.png"});
  std::smatch found;
  ASSERT_TRUE(std::regex_search(decibels, found, std::regex("bicubic ([0-9.]+) dB, network ([0-9.]+) dB")))
      << decibels;
  EXPECT_GT(std::stod(found[2]), std::stod(found[1]) + 1);
  EXPECT_TRUE(fs::exists(folder_ / "result.png"));

  const std::string whole = run("source_and_sink", {folder_ / "whole.raw", "200", "150", "512"});
  EXPECT_EQ(whole.find("400 x 300 pixels of 3 bytes in 1 windows"), 0u) << whole;
  const std::string windows = run("source_and_sink", {folder_ / "windows.raw", "200", "150", "64"});
  EXPECT_EQ(windows.find(" in 1 windows"), std::string::npos) << windows;
  const std::string samples = text_of_file(folder_ / "whole.raw");
  EXPECT_EQ(samples.size(), 400u * 300 * 3);
  EXPECT_TRUE(samples == text_of_file(folder_ / "windows.raw")) << "the windows show in the result";

  const ProgramRun readme = run_program(folder_ / "build/readme", {});
  EXPECT_EQ(readme.status, 0) << readme.err;
  EXPECT_EQ(readme.out, "128 x 96\n");
}

}  // namespace
}  // namespace sr
