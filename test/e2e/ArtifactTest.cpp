// What happens to output files, and to artifacts on machines that they are not for.

#include "test/e2e/CompiledModel.h"
#include "gmock/gmock.h"
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <sys/resource.h>
#include <unistd.h>

using namespace llmc;
using namespace llmc::test;
using testing::HasSubstr;
using testing::StartsWith;

namespace {

const std::string kModel = kGolden + "mistral-window";

std::string contentsOf(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream bytes;
  bytes << file.rdbuf();
  return bytes.str();
}

TEST(CompiledArtifact, IsRefusedByOtherProcessors) {
  // No processor has what both of these have.
  int refused = 0;
  for (const char *cpu : {"bdver4", "diamondrapids"}) {
    const std::string file = freshPath("foreign.llmc");
    codegen::CompileOptions options;
    options.targetCpu = cpu;
    absl::Status status = compileTo(file, kModel, options);
    ASSERT_TRUE(status.ok()) << cpu << ": " << status.message();
    auto artifact = runtime::Artifact::load(file);
    unlink(file.c_str());
    if (artifact.ok())
      continue;
    ++refused;
    EXPECT_THAT(std::string(artifact.status().message()),
                testing::AllOf(StartsWith(file + ": artifact was compiled for " + cpu + " and needs "),
                               HasSubstr("which this CPU lacks"), testing::Not(HasSubstr("\n"))));
  }
  EXPECT_GE(refused, 1);
}

TEST(CompiledArtifact, UnknownProcessorsAndSizesAreRefused) {
  const std::string file = freshPath("never.llmc");
  codegen::CompileOptions options;
  options.targetCpu = "z80";
  EXPECT_THAT(std::string(compileTo(file, kModel, options).message()),
              StartsWith("--target-cpu: unknown processor 'z80'"));
  options = {};
  options.context = 257;
  EXPECT_EQ(compileTo(file, kModel, options).message(),
            "--context: 257 positions, expected 1 to 256, for which the model was made");
  options.context = 16;
  options.rowsPerStep = 17;
  EXPECT_EQ(compileTo(file, kModel, options).message(), "--rows-per-step: 17 tokens, expected 1 to 16");
  EXPECT_FALSE(std::filesystem::exists(file));
}

TEST(CompiledArtifact, AFullDiskLeavesTheOldFile) {
  const std::string folder = freshPath("full");
  std::filesystem::create_directory(folder);
  const std::string file = folder + "/model.llmc";
  std::ofstream(file) << "what was there before";
  // A limit of 32 KiB for any file stands for the full disk.
  rlimit limit;
  getrlimit(RLIMIT_FSIZE, &limit);
  const rlimit small{32 << 10, limit.rlim_max};
  auto *oldHandler = std::signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &small);
  absl::Status status = compileTo(file, kModel, {});
  setrlimit(RLIMIT_FSIZE, &limit);
  std::signal(SIGXFSZ, oldHandler);
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()),
              testing::AllOf(HasSubstr("File too large"), testing::Not(HasSubstr("\n"))));
  EXPECT_EQ(contentsOf(file), "what was there before");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder), {}), 1)
      << "nothing else was left behind";
  std::filesystem::remove_all(folder);
}

TEST(CompiledArtifact, IsTheSameEveryTime) {
  const std::string first = freshPath("first.llmc"), second = freshPath("second.llmc");
  ASSERT_TRUE(compileTo(first, kModel, {}).ok());
  ASSERT_TRUE(compileTo(second, kModel, {}).ok());
  EXPECT_TRUE(contentsOf(first) == contentsOf(second)) << "compilation is not reproducible";
  unlink(first.c_str());
  unlink(second.c_str());
}

} // namespace
