//===- CoverageTest.cpp - every operation of nn has its tests -----------------------------------------===//

#include "dialects/nn/NN.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/MemoryBuffer.h"
#include <gtest/gtest.h>
#include <map>
#include <type_traits>

using namespace mlir;
using namespace llmc::nn;

namespace {

/// Operations by mnemonic that have no test of a kind, and why.
using Exceptions = std::map<std::string, std::string>;

const Exceptions kNotInterpreted = {
    {"param", "it is a declaration: load.mlir evaluates its initializer"},
    {"yield", "it has no values of its own: fusion.mlir and load.mlir evaluate it"},
};

/// The text of a file of test/dialects/nn, or nothing if it is not there.
std::string readTest(const std::string &name) {
  auto buffer = llvm::MemoryBuffer::getFile(LLMC_SOURCE_DIR "/test/dialects/nn/" + name);
  return buffer ? (*buffer)->getBuffer().str() : "";
}

/// Whether a line of `text` that is no comment has the operation `name`.
bool hasOperation(StringRef text, StringRef name) {
  for (StringRef line : llvm::split(text, '\n')) {
    if (line.ltrim().starts_with("//"))
      continue;
    for (size_t at = line.find(name); at != StringRef::npos; at = line.find(name, at + 1)) {
      StringRef after = line.substr(at + name.size());
      if (after.empty() || (!llvm::isAlnum(after.front()) && after.front() != '_'))
        return true;
    }
  }
  return false;
}

/// Whether `text` has the operation `name` marked as one that is cut into tiles (see tiling/tile.mlir).
bool hasTile(StringRef text, StringRef name) {
  for (StringRef line : llvm::split(text, '\n'))
    if (hasOperation(line, name) && line.contains("{tile = "))
      return true;
  return false;
}

/// Whether the class of an operation declares a verifier: of itself, its regions or its uses of symbols. The
/// base class has the first two, which accept everything.
template <typename Op> constexpr bool hasVerifier() {
  return std::is_same_v<decltype(&Op::verify), LogicalResult (Op::*)()> ||
         std::is_same_v<decltype(&Op::verifyRegions), LogicalResult (Op::*)()> ||
         requires(Op op, SymbolTableCollection &symbols) { op.verifySymbolUses(symbols); };
}
template <typename... Ops> llvm::StringMap<bool> verifiersOf() {
  llvm::StringMap<bool> verifiers;
  (verifiers.try_emplace(Ops::getOperationName(), hasVerifier<Ops>()), ...);
  return verifiers;
}
llvm::StringMap<bool> verifiers() {
  return verifiersOf<
#define GET_OP_LIST
#include "dialects/nn/NNOps.cpp.inc"
      >();
}

class Coverage : public testing::Test {
protected:
  Coverage() {
    context.loadDialect<NNDialect>();
    for (RegisteredOperationName name : context.getRegisteredOperations())
      if (name.getDialectNamespace() == NNDialect::getDialectNamespace())
        operations.push_back(name);
    EXPECT_GT(operations.size(), 20u);
  }

  MLIRContext context;
  std::vector<RegisteredOperationName> operations;
};

TEST_F(Coverage, EveryOperationIsParsedAndPrinted) {
  for (RegisteredOperationName op : operations) {
    const std::string file = op.stripDialect().str() + ".mlir";
    EXPECT_TRUE(hasOperation(readTest(file), op.getStringRef()))
        << "test/dialects/nn/" << file << " is not there, or has no " << op.getStringRef().str();
  }
}

TEST_F(Coverage, EveryVerifierRefuses) {
  const llvm::StringMap<bool> verified = verifiers();
  size_t count = 0;
  for (RegisteredOperationName op : operations) {
    if (!verified.lookup(op.getStringRef()))
      continue;
    ++count;
    const std::string file = op.stripDialect().str() + "-invalid.mlir", text = readTest(file);
    EXPECT_TRUE(hasOperation(text, op.getStringRef()) && StringRef(text).contains("expected-error"))
        << "test/dialects/nn/" << file << " is not there, or refuses no " << op.getStringRef().str();
  }
  EXPECT_GT(count, 15u);
  EXPECT_LT(count, operations.size());
}

TEST_F(Coverage, EveryOperationIsInterpreted) {
  for (RegisteredOperationName op : operations) {
    const std::string name = op.stripDialect().str(), file = "interpret/" + name + ".mlir";
    EXPECT_EQ(op.hasInterface<ReferenceOpInterface>(), !kNotInterpreted.count(name)) << name;
    if (kNotInterpreted.count(name))
      continue;
    const std::string text = readTest(file);
    EXPECT_TRUE(hasOperation(text, op.getStringRef()) &&
                (StringRef(text).contains(".expected(") || StringRef(text).contains("// CHECK")))
        << "test/dialects/nn/" << file << " is not there, or compares no " << op.getStringRef().str();
  }
}

TEST_F(Coverage, EveryTensorOperationIsTiled) {
  const std::string tiled = readTest("tiling/tile.mlir");
  for (RegisteredOperationName op : operations)
    if (op.hasInterface<TilingInterface>())
      EXPECT_TRUE(hasTile(tiled, op.getStringRef()))
          << "test/dialects/nn/tiling/tile.mlir cuts no " << op.getStringRef().str();
}

} // namespace
