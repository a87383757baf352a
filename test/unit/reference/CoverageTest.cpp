//===- CoverageTest.cpp - every operation of nn has its tests
//--------------------------------------------===//

#include "dialects/nn/NN.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include <gtest/gtest.h>

using namespace mlir;
using namespace llmc::nn;

namespace {

/// The text of all .mlir files directly in a folder of test/dialects/nn.
std::string readFolder(const llvm::Twine &folder) {
  std::string text;
  std::error_code error;
  for (llvm::sys::fs::directory_iterator file(LLMC_SOURCE_DIR "/test/dialects/nn" + folder, error), end;
       file != end && !error; file.increment(error)) {
    if (llvm::sys::path::extension(file->path()) != ".mlir")
      continue;
    auto buffer = llvm::MemoryBuffer::getFile(file->path());
    if (buffer)
      text += (*buffer)->getBuffer();
  }
  EXPECT_FALSE(error) << error.message();
  return text;
}

TEST(Coverage, EveryOperationIsParsedComparedAndTiled) {
  MLIRContext context;
  context.loadDialect<NNDialect>();
  const std::string parsed = readFolder(""), interpreted = readFolder("/interpret"),
                    tiled = readFolder("/tiling");
  auto contains = [](const std::string &text, StringRef name) {
    return text.find(name.str() + " ") != std::string::npos ||
           text.find(name.str() + "(") != std::string::npos;
  };
  int operations = 0;
  for (RegisteredOperationName name : context.getRegisteredOperations()) {
    if (name.getDialectNamespace() != NNDialect::getDialectNamespace())
      continue;
    ++operations;
    EXPECT_TRUE(contains(parsed, name.getStringRef()))
        << name.getStringRef().str() << " has no test in test/dialects/nn";
    if (name.hasInterface<ReferenceOpInterface>())
      EXPECT_TRUE(contains(interpreted, name.getStringRef()))
          << name.getStringRef().str() << " has no test of values in test/dialects/nn/interpret";
    if (name.hasInterface<TilingInterface>())
      EXPECT_TRUE(contains(tiled, name.getStringRef()))
          << name.getStringRef().str() << " has no test of tiles in test/dialects/nn/tiling";
  }
  EXPECT_GT(operations, 20);
}

} // namespace
