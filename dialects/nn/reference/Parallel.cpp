//===- Parallel.cpp - a loop on all processors -------------------------------------------------------===//

#include "dialects/nn/reference/Parallel.h"
#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

void llmc::nn::reference::parallelFor(int64_t count, double operations,
                                      llvm::function_ref<void(int64_t)> body) {
  // Starting a thread costs about as much as this many operations.
  constexpr double worthAThread = 1e6;
  std::atomic<int64_t> next = 0;
  auto work = [&] {
    for (int64_t index = next++; index < count; index = next++)
      body(index);
  };
  double wanted = std::min<double>(std::thread::hardware_concurrency(), operations / worthAThread);
  std::vector<std::thread> threads;
  for (int64_t i = 1; i < std::min<double>(wanted, count); ++i)
    threads.emplace_back(work);
  work();
  for (std::thread &thread : threads)
    thread.join();
}
