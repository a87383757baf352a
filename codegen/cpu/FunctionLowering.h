//===- FunctionLowering.h - one function from nn to kernels ------------------------------------------===//
#ifndef LLMC_CODEGEN_CPU_FUNCTIONLOWERING_H
#define LLMC_CODEGEN_CPU_FUNCTIONLOWERING_H

#include "codegen/common/KernelBuilder.h"
#include "codegen/cpu/AttentionKernel.h"
#include "codegen/cpu/LowerToCpu.h"
#include "codegen/cpu/TileEmitter.h"

namespace llmc::codegen {

/// What became of a value of nn.
struct Lowered {
  enum class Kind {
    Rows,   ///< `memref<rows x padded width x f32>`
    Blocks, ///< activation blocks
    Pairs,  ///< `memref<rows x padded width / 2 x i32>` of bf16
    Ids,    ///< `memref<rows x i32>`
    Cache   ///< keys `memref<heads x blocks x size x block x f32>`, values `memref<heads x positions x size x
            ///< f32>`
  };
  Kind kind = Kind::Rows;
  llvm::SmallVector<mlir::Value, 2> memrefs;
  mlir::Value rows;              ///< number of valid rows
  WidthLayout layout;            ///< of Rows
  mlir::Value cacheOffsets = {}; ///< of Cache: `memref<rows x i64>`, where the cache of each row's sequence
                                 ///< is (LlmcStep::cache_offsets); null: all rows are of one sequence
};

/// A parameter as kernels want it: packed in panels (2-D) or as padded f32 (1-D), its rows in aligned heads.
struct ParameterUse {
  mlir::Value value;                   ///< in the function: nn.load or an argument
  llvm::SmallVector<int64_t> segments; ///< of nn.align_heads; empty: as they are
};

/// How product kernels of a target want their weights.
enum class WeightOrder {
  Panels,   ///< PanelLayout
  Fragments ///< FragmentLayout
};

/// Adds derived parameters to a module and gives them places in the weights section.
class WeightLayout {
public:
  WeightLayout(mlir::ModuleOp module, int64_t lanes, WeightOrder order)
      : module(module), symbols(module), lanes(lanes), order(order) {}

  /// The memref type with which kernels see a parameter of `type` with its rows in `segments`.
  mlir::FailureOr<mlir::MemRefType> kernelType(mlir::Location loc, mlir::RankedTensorType type,
                                               llvm::ArrayRef<int64_t> segments) const;
  /// Byte offset in the weights section of parameter `symbol` as kernels want it.
  int64_t place(llvm::StringRef symbol, llvm::ArrayRef<int64_t> segments);
  int64_t bytes() const { return size; }

private:
  mlir::ModuleOp module;
  mlir::SymbolTable symbols;
  int64_t lanes;
  WeightOrder order;
  int64_t size = 0;
  std::map<std::pair<std::string, std::vector<int64_t>>, int64_t> offsets;
};

/// The places of caches in the cache section, which all steps share.
class CacheSection {
public:
  /// The byte offset of a part of a cache, the same for the same `name` each time.
  int64_t place(const std::string &name, mlir::MemRefType type);
  int64_t bytes() const { return size; }
  /// What kCacheRunsAttribute holds.
  llvm::ArrayRef<int64_t> runs() const { return runsOfParts; }

private:
  std::map<std::string, int64_t> offsets;
  llvm::SmallVector<int64_t> runsOfParts;
  int64_t size = 0;
};

class FunctionLowering;

/// What targets do each in their own way: kernels, and what only kernels read.
class KernelLowering {
public:
  virtual ~KernelLowering() = default;
  virtual WeightOrder weightOrder() const = 0;
  /// Whether rows of a step of many may be of several sequences.
  virtual bool takesSeveralSequences() const = 0;
  /// The memory of keys and values of a cache for `positions` positions, whose heads are laid out so.
  virtual std::pair<mlir::MemRefType, mlir::MemRefType> cacheTypes(const WidthLayout &key,
                                                                   const WidthLayout &value,
                                                                   mlir::Type element,
                                                                   int64_t positions) const = 0;
  /// Lowers one fusion. Values of `lowering` are its operands; it adds its results.
  virtual mlir::LogicalResult lowerFusion(FunctionLowering &lowering, nn::FusionOp fusion) = 0;
  /// Copies rows of padded width to the step's output: those that are wanted, unless the program has chosen
  /// them already.
  virtual void lowerCopyToOutput(FunctionLowering &lowering, mlir::Location loc, const Lowered &source) = 0;
};

/// Lowers functions for one number of rows. Private functions first, so that calls know what their callees
/// want.
class FunctionLowering {
public:
  FunctionLowering(mlir::ModuleOp module, KernelLowering &kernels, const Target &target,
                   const StepSizes &sizes, WeightLayout &weights, CacheSection &caches, int64_t outputWidth,
                   int64_t maxRows, llvm::StringRef stepName)
      : module(module), kernels(kernels), target(target), sizes(sizes), weights(weights), caches(caches),
        outputWidth(outputWidth), maxRows(maxRows), stepName(stepName) {}

  /// Lowers a function; the result has the name of the original with the step's name behind it.
  mlir::LogicalResult lower(mlir::func::FuncOp function);

private:
  friend class FusionValues;
  friend class KernelRegions;
  friend class FusionLowering;
  friend class ExpertsLowering;
  friend class CudaFusionLowering;

  /// A lowered private function. Its callers pass: for each original argument its memrefs (parameters: none),
  /// the number of rows, the places of caches if it has caches of several sequences, destinations of results
  /// that are tensors, then the parameters that its kernels read.
  struct Callee {
    mlir::func::FuncOp function;
    std::vector<ParameterUse> parameters;
    bool takesCacheOffsets;
  };

  mlir::LogicalResult lowerBody(mlir::func::FuncOp function);
  mlir::LogicalResult lowerStepArguments(mlir::func::FuncOp function);
  mlir::LogicalResult lowerLayerArguments(mlir::func::FuncOp function);
  mlir::LogicalResult lowerOperation(mlir::Operation *op);
  mlir::LogicalResult lowerCall(mlir::func::CallOp op);
  /// Gives a cache of the step its place in the cache section, laid out as `callee` takes it at `position`.
  void placeCache(mlir::BlockArgument cache, mlir::func::FuncOp callee, size_t position);
  mlir::LogicalResult lowerReturn(mlir::func::ReturnOp op);
  mlir::LogicalResult lowerEmptyCache(nn::EmptyCacheOp op);

  /// The memref of a parameter as kernels want it, in the function being lowered.
  mlir::FailureOr<mlir::Value> parameter(mlir::Location loc, mlir::Value value,
                                         llvm::ArrayRef<int64_t> segments);
  /// Rows of f32 for `value`: its destination if the function returns it, else in the arena.
  Lowered allocateRows(mlir::Value value, const WidthLayout &layout, mlir::Value rows);
  mlir::Value allocate(mlir::Location loc, mlir::MemRefType type);
  /// The layouts of keys and values of a cache, from what is appended to it.
  std::pair<WidthLayout, WidthLayout> cacheLayouts(mlir::Value cache);
  std::pair<mlir::MemRefType, mlir::MemRefType> cacheTypes(mlir::Value cache, int64_t positions);
  bool hasSeveralSequences() const { return maxRows > 1 && kernels.takesSeveralSequences(); }

  mlir::ModuleOp module;
  KernelLowering &kernels;
  const Target &target;
  const StepSizes &sizes;
  WeightLayout &weights;
  CacheSection &caches;
  const int64_t outputWidth, maxRows;
  const std::string stepName;
  llvm::StringMap<Callee> callees;

  // Of the function being lowered.
  mlir::func::FuncOp created;
  bool isPublic = false;
  mlir::OpBuilder builder{static_cast<mlir::MLIRContext *>(nullptr)};
  llvm::DenseMap<mlir::Value, Lowered> values;
  std::vector<ParameterUse> parameterUses;
  std::map<std::pair<void *, std::vector<int64_t>>, mlir::Value> parameterMemrefs;
  mlir::Value rows;
  mlir::Value cacheOffsets; ///< of a layer with caches of several sequences
  /// Where values go that the function returns.
  llvm::DenseMap<mlir::Value, mlir::Value> destinations;
};

/// Whether `function` returns caches only: what they hold of a source is all that becomes of it.
bool readsSource(mlir::func::FuncOp function);

/// The layout of the width of `value`, defined in a fusion, from who reads it: rotation, caches and attention
/// want heads.
WidthLayout layoutOf(mlir::Value value);

/// Lowers the whole program, as lower-to-cpu says, with the kernels of a target. `target.lanes` is what rows
/// and heads are padded to.
mlir::LogicalResult lowerToSteps(mlir::ModuleOp module, KernelLowering &kernels, const Target &target,
                                 const StepSizes &sizes);

/// Kernels for CPUs.
class CpuKernelLowering : public KernelLowering {
public:
  explicit CpuKernelLowering(int64_t lanes) : lanes(lanes) {}
  WeightOrder weightOrder() const override { return WeightOrder::Panels; }
  bool takesSeveralSequences() const override { return true; }
  std::pair<mlir::MemRefType, mlir::MemRefType> cacheTypes(const WidthLayout &key, const WidthLayout &value,
                                                           mlir::Type element,
                                                           int64_t positions) const override;
  mlir::LogicalResult lowerFusion(FunctionLowering &lowering, nn::FusionOp fusion) override;
  void lowerCopyToOutput(FunctionLowering &lowering, mlir::Location loc, const Lowered &source) override;

private:
  int64_t lanes;
};

/// The operand of a fusion that its block argument `value` stands for; null for other values.
mlir::Value outerValue(mlir::Value value);

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_CPU_FUNCTIONLOWERING_H
