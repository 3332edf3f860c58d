#include "distributed/placement.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <set>
#include <sstream>

namespace sr {
namespace {

std::set<int> processors_of(pid_t process) {
  cpu_set_t set;
  std::set<int> all;
  if (sched_getaffinity(process, sizeof set, &set) != 0) return all;
  for (int i = 0; i < CPU_SETSIZE; ++i)
    if (CPU_ISSET(i, &set)) all.insert(i);
  return all;
}

std::string to_text(const std::set<int>& numbers) {
  std::ostringstream text;
  for (auto i = numbers.begin(); i != numbers.end();) {
    const int first = *i;
    int last = first;
    while (++i != numbers.end() && *i == last + 1) ++last;
    text << (text.tellp() > 0 ? "," : "") << first;
    if (last > first) text << '-' << last;
  }
  return text.str();
}

std::set<int> numbers_in(const std::string& text) {
  std::set<int> all;
  std::istringstream in(text);
  for (std::string range; std::getline(in, range, ',');) {
    const int first = std::stoi(range);
    const size_t dash = range.find('-');
    const int last = dash == std::string::npos ? first : std::stoi(range.substr(dash + 1));
    for (int i = first; i <= last; ++i) all.insert(i);
  }
  return all;
}

bool share(const Placement& a, const Placement& b) {
  return a.host == b.host && a.processors == b.processors;
}

std::string commands(int threads) {
  const std::string n = std::to_string(threads);
  return "; start with mpirun --map-by slot:PE=" + n +
         " --bind-to core (Open MPI), mpiexec -bind-to core:" + n + " (MPICH) or srun --cpus-per-task=" + n;
}

}  // namespace

Placement placement(int threads) {
  Placement p;
  std::array<char, 256> host{};
  gethostname(host.data(), host.size() - 1);
  p.host = host.data();
  const std::set<int> own = processors_of(0);
  p.processors = to_text(own);
  p.count = std::max(1, static_cast<int>(own.size()));
  p.of_launcher = std::max(p.count, static_cast<int>(processors_of(getppid()).size()));
  p.threads = threads;
  return p;
}

std::string to_text(const Placement& p) {
  std::ostringstream text;
  text << p.host << '\n' << p.processors << '\n' << p.count << ' ' << p.of_launcher << ' ' << p.threads;
  return text.str();
}

Placement placement_in(const std::string& text) {
  Placement p;
  std::istringstream in(text);
  std::getline(in, p.host);
  std::getline(in, p.processors);
  in >> p.count >> p.of_launcher >> p.threads;
  return p;
}

int threads_of(const std::vector<Placement>& all, size_t rank) {
  const Placement& mine = all[rank];
  if (mine.threads > 0) return mine.threads;
  const auto sharing = std::ranges::count_if(all, [&](const Placement& p) { return share(p, mine); });
  return std::max(1, mine.count / static_cast<int>(sharing));
}

int number_on_host(const std::vector<Placement>& all, size_t rank) {
  return static_cast<int>(std::count_if(all.begin(), all.begin() + static_cast<int64_t>(rank),
                                        [&](const Placement& p) { return p.host == all[rank].host; }));
}

std::string misplaced(const std::vector<Placement>& all) {
  for (const Placement& mine : all) {
    std::set<int> used;
    int threads = 0, processes = 0;
    for (size_t i = 0; i < all.size(); ++i) {
      if (all[i].host != mine.host) continue;
      used.merge(numbers_in(all[i].processors));
      threads += threads_of(all, i);
      ++processes;
    }
    const int wanted = std::max(1, mine.of_launcher / processes), available = static_cast<int>(used.size());
    std::ostringstream text;
    if (threads > available)
      text << threads << " threads of " << processes << " processes on " << mine.host << " share "
           << available << (available == 1 ? " processor" : " processors");
    else if (available < wanted * processes)
      text << processes << " processes on " << mine.host << " are bound to " << available << " of "
           << mine.of_launcher << " processors";
    else
      continue;
    if (mine.threads > wanted) text << ", --threads " << mine.threads << " being given";
    return text.str() + commands(wanted);
  }
  return "";
}

}  // namespace sr
