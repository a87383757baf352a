#include "runtime/core/Cpus.h"

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

#include <algorithm>
#include <fstream>
#include <sched.h>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace llmc::runtime {
namespace {

/// The text of a small kernel file, empty when there is none.
std::string readText(const std::string &path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return std::string(absl::StripAsciiWhitespace(text.str()));
}

std::vector<int> affinity() {
  std::vector<int> cpus;
  // Machines with more CPUs than cpu_set_t has bits need a larger set: grow it until the kernel accepts it.
  for (int capacity = CPU_SETSIZE; capacity <= (1 << 20); capacity *= 4) {
    cpu_set_t *set = CPU_ALLOC(capacity);
    const size_t bytes = CPU_ALLOC_SIZE(capacity);
    const bool known = sched_getaffinity(0, bytes, set) == 0;
    for (int cpu = 0; known && cpu < capacity; ++cpu)
      if (CPU_ISSET_S(cpu, bytes, set))
        cpus.push_back(cpu);
    CPU_FREE(set);
    if (known)
      return cpus;
  }
  for (unsigned cpu = 0; cpu < std::max(1u, std::thread::hardware_concurrency()); ++cpu)
    cpus.push_back(static_cast<int>(cpu));
  return cpus;
}

/// The smallest quota on the way from this process's control group (version 2) to the root.
std::optional<int> quota() {
  std::optional<int> smallest;
  const std::string groups = readText("/proc/self/cgroup");
  for (absl::string_view line : absl::StrSplit(groups, '\n')) {
    if (!absl::ConsumePrefix(&line, "0::"))
      continue;
    std::string group(line);
    while (true) {
      std::optional<int> cpus = parseCpuMax(readText(absl::StrCat("/sys/fs/cgroup", group, "/cpu.max")));
      if (cpus && (!smallest || *cpus < *smallest))
        smallest = cpus;
      if (group.empty() || group == "/")
        break;
      group.resize(group.find_last_of('/') == std::string::npos ? 0 : group.find_last_of('/'));
    }
  }
  return smallest;
}

int cutToQuota(int cpus) {
  if (std::optional<int> limit = quota())
    cpus = std::min(cpus, *limit);
  return std::max(cpus, 1);
}

} // namespace

std::optional<int> parseCpuMax(absl::string_view text) {
  std::vector<absl::string_view> fields = absl::StrSplit(text, ' ');
  int64_t microseconds, period;
  if (fields.size() != 2 || !absl::SimpleAtoi(fields[0], &microseconds) ||
      !absl::SimpleAtoi(fields[1], &period) || microseconds <= 0 || period <= 0)
    return std::nullopt;
  const int64_t whole = microseconds / period + (microseconds % period != 0);
  return static_cast<int>(std::min<int64_t>(whole, 1 << 20));
}

int availableLogicalCpus() { return cutToQuota(static_cast<int>(affinity().size())); }

int availablePhysicalCpus() {
  std::set<std::string> cores;
  for (int cpu : affinity()) {
    std::string siblings =
        readText(absl::StrCat("/sys/devices/system/cpu/cpu", cpu, "/topology/thread_siblings_list"));
    cores.insert(siblings.empty() ? absl::StrCat("cpu", cpu) : siblings);
  }
  return cutToQuota(static_cast<int>(cores.size()));
}

} // namespace llmc::runtime
