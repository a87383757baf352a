//===- Remarks.cpp - what passes declined to do ------------------------------------------------------===//

#include "passes/Remarks.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Remarks.h"

using namespace mlir;

namespace {

/// Turns MLIR's remarks, which are made for machines, into diagnostics for people.
class RemarksAsDiagnostics : public remark::detail::MLIRRemarkStreamerBase {
public:
  void streamOptimizationRemark(const remark::detail::Remark &remark) override {
    InFlightDiagnostic diagnostic = emitRemark(remark.getLocation());
    diagnostic << remark.getCategoryName() << " declined: ";
    llvm::interleaveComma(remark.getArgs(), diagnostic,
                          [&](const remark::detail::Remark::Arg &argument) { diagnostic << argument.val; });
  }
};

} // namespace

void llmc::enableRemarks(MLIRContext &context) {
  remark::RemarkCategories declined;
  declined.missed = declined.failed = ".*";
  // Fails only if remarks were enabled before.
  (void)remark::enableOptimizationRemarks(context, std::make_unique<RemarksAsDiagnostics>(),
                                          std::make_unique<remark::RemarkEmittingPolicyAll>(), declined);
}
