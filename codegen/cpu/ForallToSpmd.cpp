//===- ForallToSpmd.cpp - parallel loops as regions of an SPMD program -------------------------------===//

#include "codegen/cpu/KernelWork.h"
#include "codegen/cpu/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "passes/NumericBound.h"
#include "passes/Statistics.h"

using namespace mlir;

namespace llmc::codegen {

#define GEN_PASS_DEF_FORALLTOSPMD
#include "codegen/cpu/Passes.h.inc"

namespace {

constexpr StringLiteral kRegionNext = "llmc_region_next";

class ForallToSpmd : public impl::ForallToSpmdBase<ForallToSpmd>, public NumericallyBounded, public Counting {
public:
  NumericBound getNumericBound() const override { return NumericBound::exact(); }

  void runOnOperation() override {
    ModuleOp module = getOperation();
    OpBuilder builder = OpBuilder::atBlockBegin(module.getBody());
    auto pointer = LLVM::LLVMPointerType::get(module.getContext());
    Type i64 = builder.getI64Type();
    if (!module.lookupSymbol(kRegionNext)) {
      auto declaration = func::FuncOp::create(builder, module.getLoc(), kRegionNext,
                                              builder.getFunctionType({pointer, i64}, {i64}));
      declaration.setPrivate();
    }
    // Functions that contain regions, or call one that does, need a worker.
    llvm::SmallPtrSet<Operation *, 8> parallel;
    for (bool grown = true; grown;) {
      grown = false;
      for (auto function : module.getOps<func::FuncOp>()) {
        bool needed = function->hasAttr(kStepAttribute);
        function.walk([&](Operation *op) {
          needed |= isa<scf::ForallOp>(op);
          if (auto call = dyn_cast<func::CallOp>(op))
            needed |= parallel.contains(module.lookupSymbol(call.getCallee()));
        });
        if (needed && parallel.insert(function).second)
          grown = true;
      }
    }
    for (auto function : module.getOps<func::FuncOp>())
      if (parallel.contains(function))
        giveRegionsToKernels(function, parallel);
    for (auto function : module.getOps<func::FuncOp>())
      if (function->hasAttr(kStepAttribute))
        listRegions(function, parallel);
    for (auto function : module.getOps<func::FuncOp>()) {
      if (!parallel.contains(function))
        continue;
      Value worker = function.front().addArgument(pointer, function.getLoc());
      function.setFunctionType(
          builder.getFunctionType(function.front().getArgumentTypes(), function.getResultTypes()));
      WalkResult result = function.walk([&](Operation *op) {
        if (auto call = dyn_cast<func::CallOp>(op)) {
          if (parallel.contains(module.lookupSymbol(call.getCallee())))
            call->insertOperands(call->getNumOperands(), worker);
        } else if (auto forall = dyn_cast<scf::ForallOp>(op)) {
          if (failed(lower(forall, worker)))
            return WalkResult::interrupt();
          return WalkResult::skip();
        }
        return WalkResult::advance();
      });
      if (result.wasInterrupted())
        return signalPassFailure();
    }
  }

private:
  /// Puts calls of kernels that are in no parallel region into regions of one chunk: scf.forall (%chunk) in
  /// (1) { call }
  void giveRegionsToKernels(func::FuncOp function, const llvm::SmallPtrSetImpl<Operation *> &parallel) {
    for (auto call : llvm::make_early_inc_range(function.front().getOps<func::CallOp>())) {
      if (call->hasAttr(kEveryThreadAttribute) ||
          parallel.contains(getOperation().lookupSymbol(call.getCallee())))
        continue;
      OpBuilder builder(call);
      auto region =
          scf::ForallOp::create(builder, call.getLoc(), ArrayRef<OpFoldResult>{builder.getIndexAttr(1)},
                                ValueRange{}, std::nullopt);
      call->moveBefore(region.getTerminator());
    }
  }

  /// while ((chunk = llmc_region_next(worker, chunks)) >= 0) body(chunk)
  LogicalResult lower(scf::ForallOp op, Value worker) {
    if (op.getRank() != 1 || !op.isNormalized() || op.getNumResults() != 0)
      return op.emitOpError()
             << "has not the form of a parallel region: one dimension from 0 in steps of 1, no results";
    count(1, "parallel regions");
    OpBuilder builder(op);
    Location loc = op.getLoc();
    Type i64 = builder.getI64Type(), index = builder.getIndexType();
    Value count = arith::IndexCastOp::create(builder, loc, i64, op.getUpperBound(builder)[0]);
    auto loop = scf::WhileOp::create(builder, loc, TypeRange{i64}, ValueRange{});
    builder.createBlock(&loop.getBefore());
    Value chunk = func::CallOp::create(builder, loc, kRegionNext, TypeRange{i64}, ValueRange{worker, count})
                      .getResult(0);
    Value zero = arith::ConstantOp::create(builder, loc, builder.getI64IntegerAttr(0));
    Value claimed = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::sge, chunk, zero);
    scf::ConditionOp::create(builder, loc, claimed, ValueRange{chunk});
    Block *body = builder.createBlock(&loop.getAfter(), {}, TypeRange{i64}, {loc});
    Value induction = arith::IndexCastOp::create(builder, loc, index, body->getArgument(0));
    IRMapping mapping;
    mapping.map(op.getInductionVar(0), induction);
    for (Operation &inner : op.getBody()->without_terminator())
      builder.clone(inner, mapping);
    scf::YieldOp::create(builder, loc);
    op.erase();
    return success();
  }
};

} // namespace

} // namespace llmc::codegen
