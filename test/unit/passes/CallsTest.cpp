#include "passes/Calls.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Parser/Parser.h"
#include "gmock/gmock.h"

using namespace mlir;
using llmc::passes::Calls;
using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

namespace {

class CallsTest : public testing::Test {
protected:
  CallsTest() {
    context.loadDialect<func::FuncDialect, scf::SCFDialect, arith::ArithDialect, cf::ControlFlowDialect>();
  }

  Calls parse(StringRef source) {
    module = parseSourceString<ModuleOp>(source, &context);
    return Calls(*module);
  }
  func::FuncOp function(StringRef name) { return module->lookupSymbol<func::FuncOp>(name); }
  static std::vector<std::string> names(ArrayRef<func::FuncOp> functions) {
    std::vector<std::string> names;
    for (func::FuncOp function : functions)
      names.push_back(function.getSymName().str());
    return names;
  }

  MLIRContext context;
  OwningOpRef<ModuleOp> module;
};

TEST_F(CallsTest, OrdersCalleesBeforeCallers) {
  Calls calls = parse(R"(
    func.func @top() { call @middle() : () -> ()  call @bottom() : () -> ()  return }
    func.func private @middle() { call @bottom() : () -> ()  return }
    func.func private @bottom() { return }
    func.func private @outside())");
  EXPECT_THAT(names(calls.getCalleesFirst()), ElementsAre("bottom", "middle", "top"));
  EXPECT_EQ(calls.getCallsOf(function("bottom")).size(), 2u);
  EXPECT_EQ(calls.getCallsOf(function("top")).size(), 0u);
  for (StringRef name : {"top", "middle", "bottom"})
    EXPECT_TRUE(calls.areChangeable(function(name))) << name.str();
}

TEST_F(CallsTest, FunctionsThatCallThemselvesCannotChange) {
  Calls calls = parse(R"(
    func.func private @direct() { call @direct() : () -> ()  return }
    func.func private @ping() { call @pong() : () -> ()  return }
    func.func private @pong() { call @ping() : () -> ()  return }
    func.func private @below() { return }
    func.func private @ring() { call @ring() : () -> ()  call @below() : () -> ()  return })");
  EXPECT_THAT(names(calls.getCalleesFirst()),
              UnorderedElementsAre("direct", "ping", "pong", "below", "ring"));
  for (StringRef name : {"direct", "ping", "pong", "ring", "below"})
    EXPECT_FALSE(calls.areChangeable(function(name))) << name.str();
}

TEST_F(CallsTest, CallsInRegionsAndReferencesForbidAChange) {
  Calls calls = parse(R"(
    func.func @top(%condition: i1) {
      scf.if %condition { func.call @conditional() : () -> () }
      %f = func.constant @referenced : () -> ()
      call @plain() : () -> ()
      return
    }
    func.func private @conditional() { return }
    func.func private @referenced() { return }
    func.func private @plain() { return })");
  EXPECT_FALSE(calls.areChangeable(function("conditional")));
  EXPECT_FALSE(calls.areChangeable(function("referenced")));
  EXPECT_TRUE(calls.areChangeable(function("plain")));
}

TEST_F(CallsTest, FunctionsOfSeveralBlocksCannotChange) {
  Calls calls = parse(R"(
    func.func @f() { cf.br ^end
    ^end: return })");
  EXPECT_FALSE(calls.areChangeable(function("f")));
}

} // namespace
