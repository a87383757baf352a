//===- llmc-opt.cpp - runs passes on MLIR text ---------------------------------------------------------===//
//
// Reads MLIR, runs the passes that its options name, prints the result: for tests, for debugging, and for
// passes that are built outside of the tree (--load-pass-plugin).
//
//===------------------------------------------------------------------------------------------------===//

#include "codegen/cpu/Passes.h"
#include "codegen/cuda/Passes.h"
#include "dialects/nn/NN.h"
#include "dialects/nn/reference/UpstreamOps.h"
#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Support/FileUtilities.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "passes/Passes.h"
#include "passes/Statistics.h"
#include "passes/verify/InterpretPasses.h"
#include "passes/verify/VerifyNumerics.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/ToolOutputFile.h"

using namespace mlir;

namespace {

llvm::cl::opt<bool> printStatistics("nn-statistics", llvm::cl::desc("Print what the passes counted"));

enum class Verification { Off, On, Quiet };
llvm::cl::opt<Verification> verification(
    "verify-numerics", llvm::cl::desc("Hold each pass to its numeric bound, by the reference semantics"),
    llvm::cl::values(clEnumValN(Verification::Off, "off", "do not (the default)"),
                     clEnumValN(Verification::On, "on", "and say what can not be verified"),
                     clEnumValN(Verification::On, "", "and say what can not be verified"),
                     clEnumValN(Verification::Quiet, "quiet", "and say nothing of what can not be verified")),
    llvm::cl::ValueOptional, llvm::cl::init(Verification::Off));

/// Runs the passes that `config` names on the file `input`, with what llmc adds to each pass manager.
LogicalResult processFile(StringRef input, StringRef output, DialectRegistry &registry,
                          MlirOptMainConfig config) {
  llmc::StatisticsReport statistics;
  config.setPassPipelineSetupFn([&statistics, base = config](PassManager &manager) {
    if (printStatistics)
      manager.addInstrumentation(llmc::createStatisticsInstrumentation(statistics));
    if (verification != Verification::Off) {
      llmc::VerifyNumericsOptions options;
      options.saysWhatIsNotVerified = verification == Verification::On;
      llmc::verifyNumerics(manager, std::move(options));
    }
    return base.setupPassPipeline(manager);
  });

  std::string error;
  auto source = openInputFile(input, &error);
  auto result = source ? openOutputFile(output, &error) : nullptr;
  if (!result) {
    llvm::errs() << error << '\n';
    return failure();
  }
  if (failed(MlirOptMain(result->os(), std::move(source), registry, config)))
    return failure();
  llmc::printStatistics(statistics, llvm::errs());
  result->keep();
  return success();
}

} // namespace

int main(int argc, char **argv) {
  llvm::InitLLVM initialization(argc, argv);
  DialectRegistry registry;
  registerAllDialects(registry);
  registerAllExtensions(registry);
  llmc::nn::reference::registerReferenceModels(registry);
  llmc::nn::registerGradientModels(registry);

  registerAllPasses();
  llmc::passes::registerLlmcPasses();
  llmc::registerInterpretPasses();
  llmc::codegen::registerCpuPasses();
  llmc::codegen::registerCudaPasses();

  auto [input, output] = registerAndParseCLIOptions(argc, argv, "llmc's optimizer driver\n", registry);
  MlirOptMainConfig config = MlirOptMainConfig::createFromCLOptions();
  if (config.shouldListPasses()) {
    printRegisteredPasses();
    return EXIT_SUCCESS;
  }
  return asMainReturnCode(processFile(input, output, registry, config));
}
