//===- llmc-opt.cpp - runs passes on MLIR text ---------------------------------------------------------===//
//
// Reads MLIR, runs the passes that its options name, prints the result: for tests, for debugging, and for
// passes that are built outside of the tree (--load-pass-plugin).
//
//===------------------------------------------------------------------------------------------------===//

#include "dialects/nn/reference/UpstreamOps.h"
#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "passes/Passes.h"
#include "passes/verify/InterpretPasses.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  mlir::registerAllDialects(registry);
  mlir::registerAllExtensions(registry);
  llmc::nn::reference::registerReferenceModels(registry);

  mlir::registerAllPasses();
  llmc::passes::registerLlmcPasses();
  llmc::registerInterpretPasses();

  return mlir::asMainReturnCode(mlir::MlirOptMain(argc, argv, "llmc's optimizer driver\n", registry));
}
