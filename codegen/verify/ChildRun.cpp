//===- ChildRun.cpp - code that is not trusted, in a process of its own --------------------------------===//

#include "codegen/verify/ChildRun.h"
#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

namespace llmc::codegen {

namespace {

constexpr unsigned kMostSeconds = 600;
constexpr size_t kTextBytes = 256;

/// The memory that both processes see: this, and the numbers behind it.
struct Shared {
  size_t count; ///< numbers so far
  char running[kTextBytes], error[kTextBytes];
  float numbers[];
};

void copyText(absl::string_view text, char (&target)[kTextBytes]) {
  text = text.substr(0, kTextBytes - 1);
  std::copy(text.begin(), text.end(), target);
  target[text.size()] = 0;
}

class SharedRun : public ChildRun {
public:
  SharedRun(Shared &shared, size_t most) : shared(shared), most(most) {}
  void begin(const std::string &what) override { copyText(what, shared.running); }
  void append(llvm::ArrayRef<float> numbers) override {
    const size_t count = std::min(numbers.size(), most - shared.count);
    std::copy_n(numbers.data(), count, shared.numbers + shared.count);
    shared.count += count;
  }

private:
  Shared &shared;
  size_t most;
};

/// The end of the child.
[[noreturn]] void runAndExit(SharedRun &run, Shared &shared,
                             absl::FunctionRef<absl::Status(ChildRun &)> body) {
  // A crash is the parent's to report.
  for (int signal : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGALRM})
    std::signal(signal, SIG_DFL);
  alarm(kMostSeconds);
  if (absl::Status status = body(run); !status.ok()) {
    copyText(status.message(), shared.error);
    _exit(EXIT_FAILURE);
  }
  _exit(EXIT_SUCCESS);
}

} // namespace

absl::StatusOr<std::vector<float>> runInChild(size_t most, absl::FunctionRef<absl::Status(ChildRun &)> body) {
  const size_t bytes = sizeof(Shared) + most * sizeof(float);
  void *memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    return absl::UnavailableError(absl::StrCat("no memory for ", most, " numbers: ", std::strerror(errno)));
  absl::Cleanup unmap = [&] { munmap(memory, bytes); };
  auto &shared = *static_cast<Shared *>(memory);
  SharedRun run(shared, most);

  const pid_t child = fork();
  if (child < 0)
    return absl::UnavailableError(absl::StrCat("no process to run compiled code in: ", std::strerror(errno)));
  if (child == 0)
    runAndExit(run, shared, body);
  int status;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
    return absl::AbortedError(absl::StrCat("the compiled code does not end within ", kMostSeconds,
                                           " seconds, in ", shared.running));
  if (WIFSIGNALED(status))
    return absl::AbortedError(
        absl::StrCat("the compiled code crashes (", strsignal(WTERMSIG(status)), "), in ", shared.running));
  if (WEXITSTATUS(status) != EXIT_SUCCESS)
    return absl::AbortedError(shared.error);
  return std::vector<float>(shared.numbers, shared.numbers + shared.count);
}

} // namespace llmc::codegen
