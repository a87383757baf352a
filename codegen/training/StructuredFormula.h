//===- StructuredFormula.h - the formula of a structured operation in a kernel --------------------------===//
#ifndef LLMC_CODEGEN_TRAINING_STRUCTUREDFORMULA_H
#define LLMC_CODEGEN_TRAINING_STRUCTUREDFORMULA_H

#include "codegen/common/KernelBuilder.h"
#include "codegen/training/TrainingLowering.h"
#include "llvm/ADT/SmallBitVector.h"
#include <optional>

namespace llmc::codegen {

inline bool isParallel(mlir::utils::IteratorType type) { return type == mlir::utils::IteratorType::parallel; }

/// Whether consecutive iterations of `loop` are consecutive elements of an operand, or all the same.
bool isRegularOperand(mlir::AffineMap map, mlir::MemRefType buffer, unsigned loop);

/// Computes a `linalg.generic` at points of its loops. The kernel's emitter nests the loops and says where
/// they are (`ivs`); of one loop, `vectorLoop`, a point stands for as many iterations as vectors have lanes.
/// Outputs are overwritten, or they are sums or maxima that begin with a constant.
class StructuredFormula {
public:
  StructuredFormula(KernelBuilder &b, mlir::linalg::GenericOp op, llvm::ArrayRef<Destination> destinations);

  /// Refuses what has another form, and gets the kernel's buffers of operands by `import`, which is given
  /// those of the step.
  mlir::LogicalResult begin(const llvm::DenseMap<mlir::Value, mlir::Value> &stepBuffers,
                            llvm::function_ref<mlir::Value(mlir::Value)> import);

  bool hasReductions() const { return !llvm::all_of(types, isParallel); }
  /// Whether output `index` is a sum; else it is a maximum.
  bool isSum(unsigned index) { return mlir::isa<mlir::arith::AddFOp>(combiner(index)); }
  mlir::AffineMap outputMap(unsigned index) { return maps[op.getNumDpsInputs() + index]; }
  /// Whether consecutive iterations of `loop` are consecutive elements of every operand, or all the same.
  bool isRegular(unsigned loop) const;
  /// Whether the formula has numbers of f64.
  bool hasDoubles();
  /// Which loops each value depends on, for the `vectorLoop` chosen.
  void findDependences();

  /// What sums begin with: nothing added yet.
  llvm::SmallVector<mlir::Value> startValues();
  /// Two partial results of output `index` as one.
  mlir::Value combine(unsigned index, mlir::Value x, mlir::Value y) {
    return isSum(index) ? b.addf(x, y) : b.maxf(x, y);
  }
  /// The formula at the current point. `sums` are what outputs hold.
  llvm::SmallVector<mlir::Value> compute(llvm::ArrayRef<mlir::Value> sums);
  /// Stores results, whose sums are complete.
  void finish(llvm::ArrayRef<mlir::Value> results);
  /// Computes what depends on the loops in `known` alone.
  void computeBefore(const llvm::SmallBitVector &known);

  KernelBuilder &b;
  mlir::linalg::GenericOp op;
  llvm::ArrayRef<Destination> destinations;
  const llvm::SmallVector<mlir::AffineMap> maps;
  const llvm::SmallVector<mlir::utils::IteratorType> types;
  const llvm::SmallVector<int64_t> sizes;
  std::optional<unsigned> vectorLoop;
  llvm::SmallVector<mlir::Value> ivs;
  mlir::Value mask;                                ///< of lanes that there are; null if all
  llvm::DenseMap<mlir::Value, mlir::Value> values; ///< of the formula, at the current point
  llvm::SmallVector<mlir::Value> buffers;          ///< of inputs and outputs
  bool alignsVectors = false;                      ///< vectors in memory lie at multiples of their size

private:
  bool readsInit(unsigned index) { return !op.getRegionOutputArgs()[index].use_empty(); }
  mlir::Operation *combiner(unsigned index);
  bool isVector(mlir::Value value);
  llvm::MaybeAlign alignmentOf(mlir::Type vector) const;
  llvm::SmallVector<mlir::Value> indicesOf(mlir::AffineMap map);
  mlir::Value load(mlir::Value buffer, mlir::ValueRange indices, mlir::Type type);
  mlir::Value valueOf(mlir::Value value);
  void evaluate(mlir::Operation *inner);
  mlir::Value clone(mlir::Value constant) { return b.clone(*constant.getDefiningOp())->getResult(0); }

  llvm::SmallVector<mlir::Value> inits; ///< constants that outputs begin with, or null
  llvm::DenseMap<mlir::Value, llvm::SmallBitVector> dependences;
};

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_TRAINING_STRUCTUREDFORMULA_H
