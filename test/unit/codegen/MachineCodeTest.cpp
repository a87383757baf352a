#include "codegen/cpu/MachineCode.h"

#include "codegen/cpu/Linker.h"
#include "codegen/cpu/Pipeline.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/FileSystem.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include <dlfcn.h>
#include <fstream>

using namespace llmc::codegen;
using testing::HasSubstr;
using testing::StartsWith;

namespace {

class MachineCodeTest : public testing::Test {
protected:
  MachineCodeTest() : context(registry()) {
    module = mlir::parseSourceString<mlir::ModuleOp>(R"(
llvm.func @times_three(%x: i64) -> i64 {
  %three = llvm.mlir.constant(3 : i64) : i64
  %y = llvm.mul %x, %three : i64
  llvm.return %y : i64
})",
                                                     &context);
    llvm::SmallString<128> made;
    EXPECT_FALSE(llvm::sys::fs::createUniqueDirectory("machine-code-test", made));
    folder = made.str().str();
  }
  ~MachineCodeTest() override { llvm::sys::fs::remove_directories(folder); }

  static mlir::DialectRegistry registry() {
    mlir::DialectRegistry registry;
    registerCpuDialects(registry);
    return registry;
  }

  bool folderIsEmpty() const {
    std::error_code error;
    return llvm::sys::fs::directory_iterator(folder, error) == llvm::sys::fs::directory_iterator();
  }

  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::string folder;
};

TEST_F(MachineCodeTest, WritesEveryForm) {
  const Target target = *getTarget("x86-64-v3");
  EXPECT_THAT(*emitCode(*module, target, CodeForm::LlvmIr),
              testing::AllOf(HasSubstr("define"), HasSubstr("@times_three"),
                             HasSubstr("\"target-cpu\"=\"x86-64-v3\"")));
  EXPECT_THAT(*emitCode(*module, target, CodeForm::Assembly), HasSubstr("times_three:"));
  EXPECT_THAT(*emitCode(*module, target, CodeForm::Object), StartsWith("\x7f"
                                                                       "ELF"));
}

TEST_F(MachineCodeTest, LinksWhatCanBeLoaded) {
  const std::string object = *emitCode(*module, *getTarget("native"), CodeForm::Object);
  // The linker is a library here: it has to work more than once.
  for (int time = 0; time < 2; ++time) {
    absl::StatusOr<std::string> shared = linkShared(object, folder);
    ASSERT_TRUE(shared.ok()) << shared.status().message();
    EXPECT_TRUE(folderIsEmpty());
    const std::string path = folder + "/test.so";
    std::ofstream(path, std::ios::binary) << *shared;
    void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    ASSERT_NE(library, nullptr) << dlerror();
    auto *function = reinterpret_cast<int64_t (*)(int64_t)>(dlsym(library, "times_three"));
    ASSERT_NE(function, nullptr);
    EXPECT_EQ(function(14), 42);
    dlclose(library);
    llvm::sys::fs::remove(path);
  }
}

TEST_F(MachineCodeTest, SaysWhyItCanNotLink) {
  absl::StatusOr<std::string> shared = linkShared("no object", folder);
  EXPECT_THAT(std::string(shared.status().message()), StartsWith("linking failed: "));
  EXPECT_TRUE(folderIsEmpty());
  shared = linkShared(*emitCode(*module, *getTarget("native"), CodeForm::Object), folder + "/missing");
  EXPECT_THAT(std::string(shared.status().message()), HasSubstr("/missing/code.o: can not be written: "));
}

/// An object that calls `function`.
std::string callerOf(const std::string &function, mlir::MLIRContext &context) {
  auto module = mlir::parseSourceString<mlir::ModuleOp>(
      "llvm.func @" + function + "(f64) -> f64\nllvm.func @caller(%x: f64) -> f64 {\n  %y = llvm.call @" +
          function + "(%x) : (f64) -> f64\n  llvm.return %y : f64\n}",
      &context);
  return *emitCode(*module, *getTarget("native"), CodeForm::Object);
}

TEST_F(MachineCodeTest, NamesTheLibrariesThatAreCalled) {
  absl::StatusOr<std::string> shared = linkShared(callerOf("cos", context), folder);
  ASSERT_TRUE(shared.ok()) << shared.status().message();
  EXPECT_THAT(*shared, testing::AllOf(HasSubstr("libm.so.6"), testing::Not(HasSubstr("libc.so.6"))));
  shared = linkShared(callerOf("memcpy", context), folder);
  ASSERT_TRUE(shared.ok()) << shared.status().message();
  EXPECT_THAT(*shared, testing::AllOf(HasSubstr("libc.so.6"), testing::Not(HasSubstr("libm.so.6"))));
  shared = linkShared(callerOf("llmc_region_next", context), folder);
  ASSERT_TRUE(shared.ok()) << shared.status().message();
  EXPECT_THAT(*shared, testing::Not(HasSubstr("libc.so.6")));
  EXPECT_TRUE(folderIsEmpty());
}

TEST_F(MachineCodeTest, RefusesCallsOfWhatNoArtifactFinds) {
  absl::StatusOr<std::string> shared = linkShared(callerOf("__extendhfsf2", context), folder);
  EXPECT_TRUE(absl::IsUnimplemented(shared.status()));
  EXPECT_THAT(
      std::string(shared.status().message()),
      StartsWith("the code calls __extendhfsf2, which no artifact finds where it runs: expected one of "
                 "llmc_gpu_launch, llmc_gpu_tensor_map, llmc_region_next, cos, "));
}

} // namespace
