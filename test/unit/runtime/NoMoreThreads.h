// A process that gets no more threads.
#ifndef LLMC_TEST_UNIT_RUNTIME_NOMORETHREADS_H
#define LLMC_TEST_UNIT_RUNTIME_NOMORETHREADS_H

#include "gtest/gtest.h"

#include <pthread.h>

namespace llmc::runtime::test {

/// While this lives, no thread can start: each would need a stack larger than the address space.
class NoMoreThreads {
public:
  NoMoreThreads() {
    pthread_attr_t attributes;
    EXPECT_EQ(pthread_getattr_default_np(&attributes), 0);
    EXPECT_EQ(pthread_attr_getstacksize(&attributes, &usualStackSize), 0);
    pthread_attr_destroy(&attributes);
    setStackSize(size_t{1} << 60);
  }
  ~NoMoreThreads() { setStackSize(usualStackSize); }
  NoMoreThreads(const NoMoreThreads &) = delete;
  NoMoreThreads &operator=(const NoMoreThreads &) = delete;

private:
  static void setStackSize(size_t bytes) {
    pthread_attr_t attributes;
    EXPECT_EQ(pthread_getattr_default_np(&attributes), 0);
    EXPECT_EQ(pthread_attr_setstacksize(&attributes, bytes), 0);
    EXPECT_EQ(pthread_setattr_default_np(&attributes), 0);
    pthread_attr_destroy(&attributes);
  }

  size_t usualStackSize = 0;
};

} // namespace llmc::runtime::test

#endif // LLMC_TEST_UNIT_RUNTIME_NOMORETHREADS_H
