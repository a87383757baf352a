#include "passes/NotSupported.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "gtest/gtest.h"

using namespace mlir;
using namespace llmc;

namespace {

TEST(NotSupportedTest, IsToldFromOtherErrors) {
  MLIRContext context;
  OwningOpRef<ModuleOp> module = ModuleOp::create(UnknownLoc::get(&context));
  std::vector<std::pair<std::string, bool>> errors;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    EXPECT_EQ(diagnostic.getSeverity(), DiagnosticSeverity::Error);
    errors.emplace_back(diagnostic.str(), saysNotSupported(diagnostic));
  });
  LogicalResult result = emitNotSupported(*module) << "is empty";
  EXPECT_TRUE(failed(result));
  emitNotSupported(module->getLoc()) << "there is nothing";
  module->emitOpError() << "is broken";
  const std::vector<std::pair<std::string, bool>> expected = {{"'builtin.module' op is empty", true},
                                                              {"there is nothing", true},
                                                              {"'builtin.module' op is broken", false}};
  EXPECT_EQ(errors, expected);
}

} // namespace
