//===- FixRows.cpp - known numbers of rows -----------------------------------------------------------===//

#include "dialects/nn/NN.h"
#include "dialects/nn/Rows.h"
#include "passes/Passes.h"

namespace llmc::passes {
#define GEN_PASS_DEF_FIXROWS
#include "passes/Passes.h.inc"
} // namespace llmc::passes

using namespace mlir;
using namespace llmc;

namespace {

struct FixRows : passes::impl::FixRowsBase<FixRows> {
  using FixRowsBase::FixRowsBase;

  void runOnOperation() override {
    if (rows <= 0) {
      getOperation().emitError() << "nn-fix-rows needs rows, a positive number, but has " << rows.getValue();
      return signalPassFailure();
    }
    nn::fixRows(getOperation(), rows);
  }
};

} // namespace
