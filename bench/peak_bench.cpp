// The peaks of this processor, in 10^9 operations a second: one line of JSON, for each unit one number for
// every number of threads that is asked for.
//   peak_bench 1 2
#include <charconv>
#include <cstring>
#include <iostream>
#include <vector>

#include "bench/peak.h"
#include "io/json_text.h"

namespace {

// A number of threads, or 0.
int threads_of(const char* text) {
  int threads = 0;
  const char* end = text + std::strlen(text);
  const auto [stop, error] = std::from_chars(text, end, threads);
  return error == std::errc() && stop == end && threads >= 1 && threads <= 1024 ? threads : 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<int> teams;
  for (int i = 1; i < argc; ++i) {
    teams.push_back(threads_of(argv[i]));
    if (teams.back() == 0) {
      std::cerr << "peak_bench: error: " << argv[i] << " is no number of threads; want 1 to 1024\n";
      return 2;
    }
  }
  nlohmann::ordered_json rates;
  for (const sr::bench::Unit unit : sr::bench::units())
    for (const int threads : teams)
      rates[sr::bench::name_of(unit)][std::to_string(threads)] = sr::bench::peak(unit, threads) * 1e-9;
  std::cout << rates << '\n';
}
