//===- StepForm.cpp - what steps have to look like ----------------------------------------------------===//

#include "codegen/cpu/StepForm.h"

#include "codegen/common/KernelBuilder.h"
#include "codegen/common/ParameterStream.h"
#include "codegen/cpu/LowerToCpu.h"
#include "codegen/cpu/Pipeline.h"
#include "dialects/nn/NN.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "passes/NotSupported.h"
#include "runtime/core/ArtifactFormat.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include <limits>
#include <map>

using namespace mlir;

namespace llmc::codegen {

namespace {

enum class Presence { Required, Optional };

/// Reads a number that a program says about itself; 0 where it is absent and optional.
FailureOr<int64_t> readNumber(Operation *op, StringRef name, int64_t least, int64_t most,
                              Presence presence = Presence::Required) {
  Attribute attribute = op->getAttr(name);
  if (!attribute && presence == Presence::Optional)
    return 0;
  auto number = dyn_cast_or_null<IntegerAttr>(attribute);
  if (number && number.getValue().getSignificantBits() <= 64 && number.getInt() >= least &&
      number.getInt() <= most)
    return number.getInt();
  InFlightDiagnostic error = emitNotSupported(op);
  if (auto symbol = dyn_cast<SymbolOpInterface>(op); symbol && symbol.getNameAttr())
    error << "@" << symbol.getName() << " ";
  if (attribute)
    error << "has " << name << " = " << attribute;
  else
    error << "has no " << name;
  return error << ", expected a number from " << least << " to " << most;
}

class StepVerifier {
public:
  StepVerifier(ModuleOp module, StepForm form) : module(module), form(form) {}

  LogicalResult verify() {
    if (failed(readNumber(module, kContextAttribute, 1, runtime::kMaxCount, Presence::Optional)) ||
        failed(readNumber(module, kCacheBytesAttribute, 0, runtime::kMaxBytes, Presence::Optional)) ||
        failed(readNumber(module, kSourceCacheBytesAttribute, 0, runtime::kMaxBytes, Presence::Optional)))
      return failure();
    if (failed(verifyTarget()) || failed(verifyCacheRuns()))
      return failure();
    for (Operation &op : *module.getBody())
      if (op.hasAttr(kStepAttribute) && failed(verifyStep(&op)))
        return failure();
    return verifyParameters();
  }

private:
  InFlightDiagnostic refuse(Operation *step) {
    return emitNotSupported(step) << "@" << SymbolTable::getSymbolName(step).getValue() << " ";
  }

  /// A program says for which processor its kernels are, or nothing of it.
  LogicalResult verifyTarget() {
    Attribute cpu = module->getAttr(kTargetAttribute), features = module->getAttr(kTargetFeaturesAttribute);
    if (!cpu && !features)
      return success();
    if (!isa_and_present<StringAttr>(cpu))
      return emitNotSupported(module) << "needs " << kTargetAttribute << ", the name of a processor, beside "
                                      << kTargetFeaturesAttribute;
    auto list = dyn_cast_or_null<ArrayAttr>(features);
    if (!list || !llvm::all_of(list, llvm::IsaPred<StringAttr>))
      return emitNotSupported(module)
             << "needs " << kTargetFeaturesAttribute << ", a list of strings, beside " << kTargetAttribute;
    return success();
  }

  /// Parts of caches lie in the cache section.
  LogicalResult verifyCacheRuns() {
    Attribute attribute = module->getAttr(kCacheRunsAttribute);
    if (!attribute)
      return success();
    auto runs = dyn_cast<DenseI64ArrayAttr>(attribute);
    auto bytes = module->getAttrOfType<IntegerAttr>(kCacheBytesAttribute);
    bool isSound = runs && runs.size() % 3 == 0 && bytes;
    for (int64_t i = 0; isSound && i < runs.size(); i += 3) {
      const int64_t offset = runs[i], count = runs[i + 1], size = runs[i + 2];
      isSound = offset >= 0 && count > 0 && size > 0 && offset <= bytes.getInt() &&
                size <= (bytes.getInt() - offset) / count;
    }
    if (isSound)
      return success();
    return emitNotSupported(module)
           << "has " << kCacheRunsAttribute << " = " << attribute
           << ", expected a place, a number of runs and their bytes for each part of "
              "a cache, within "
           << kCacheBytesAttribute;
  }

  LogicalResult verifyStep(Operation *op) {
    const bool isLlvm = form >= StepForm::Llvm;
    auto function = dyn_cast<FunctionOpInterface>(op);
    if (!function || !(isLlvm ? isa<LLVM::LLVMFuncOp>(op) : isa<func::FuncOp>(op)))
      return emitNotSupported(op) << "has " << kStepAttribute << ", expected it on "
                                  << (isLlvm ? "'llvm.func'" : "'func.func'");
    if (function.isExternal())
      return refuse(op) << "has " << kStepAttribute << ", expected a function with a body";
    auto name = op->getAttrOfType<StringAttr>(kStepAttribute);
    if (!name || name.empty() ||
        !llvm::all_of(name.getValue(), [](char c) { return llvm::isAlnum(c) || c == '_'; }))
      return refuse(op) << "has " << kStepAttribute << " = " << op->getAttr(kStepAttribute)
                        << ", expected a name of letters, digits and underscores";
    if (!names.insert(name.getValue()).second)
      return refuse(op) << "has " << kStepAttribute << " = " << name << ", which another step has too";
    if (op->hasAttr(kOperandsAttribute))
      return verifyTrainingStep(function, name.getValue());
    FailureOr<int64_t> maxRows = readNumber(op, kMaxRowsAttribute, 1, runtime::kMaxCount);
    if (failed(maxRows))
      return failure();
    FailureOr<int64_t> width = readNumber(op, kOutputWidthAttribute, 1, runtime::kMaxCount);
    if (failed(width))
      return failure();
    if (outputWidth != 0 && *width != outputWidth)
      return refuse(op) << "has " << kOutputWidthAttribute << " = " << *width << ", expected " << outputWidth
                        << ", which the step before it has";
    outputWidth = *width;
    FailureOr<int64_t> arenaBytes = 0;
    if (form >= StepForm::Arena)
      arenaBytes = readNumber(op, kArenaBytesAttribute, 0, runtime::kMaxBytes);
    if (failed(arenaBytes) || failed(verifySignature(function, *maxRows, *arenaBytes)))
      return failure();
    return form >= StepForm::Entry ? verifyEntry(op, name.getValue()) : success();
  }

  /// A step of training has the operands that it names, then the arena and the worker.
  LogicalResult verifyTrainingStep(FunctionOpInterface step, StringRef name) {
    auto names = step->getAttrOfType<ArrayAttr>(kOperandsAttribute);
    if (!names || !llvm::all_of(names, llvm::IsaPred<StringAttr>))
      return refuse(step) << "has " << kOperandsAttribute << " = " << step->getAttr(kOperandsAttribute)
                          << ", expected a list of strings";
    size_t expected = names.size();
    if (form >= StepForm::Arena) {
      if (failed(readNumber(step, kArenaBytesAttribute, 0, runtime::kMaxBytes)))
        return failure();
      ++expected;
    }
    if (form >= StepForm::Worker)
      ++expected;
    if (step.getNumArguments() != expected || step.getNumResults() != 0)
      return refuse(step) << "has " << step.getNumArguments() << " arguments and " << step.getNumResults()
                          << " results, expected " << expected << " and none";
    return form >= StepForm::Entry ? verifyEntry(step, name) : success();
  }

  LogicalResult verifySignature(FunctionOpInterface step, int64_t maxRows, int64_t arenaBytes) {
    MLIRContext *context = module.getContext();
    Type pointer = LLVM::LLVMPointerType::get(context);
    SmallVector<Type> expected = stepArgumentTypes(context, maxRows, outputWidth);
    if (form >= StepForm::Arena)
      expected.push_back(bufferType({arenaBytes}, IntegerType::get(context, 8)));
    if (form >= StepForm::Worker)
      expected.push_back(pointer);
    if (form >= StepForm::Llvm)
      for (Type &type : expected)
        type = type.isIndex() ? IntegerType::get(context, 64) : pointer;
    ArrayRef<Type> found = step.getArgumentTypes();
    if (found.size() != expected.size())
      return refuse(step) << "has " << kStepAttribute << " and " << found.size() << " arguments, expected "
                          << expected.size();
    for (size_t i = 0; i < expected.size(); ++i)
      if (found[i] != expected[i])
        return refuse(step) << "has " << kStepAttribute << " and argument " << i << " of type " << found[i]
                            << ", expected " << expected[i];
    auto llvmFunction = dyn_cast<LLVM::LLVMFuncOp>(step.getOperation());
    if (step.getNumResults() != 0 || (llvmFunction && llvmFunction.isVarArg()))
      return refuse(step) << "has " << kStepAttribute << " and results, expected none";
    return success();
  }

  LogicalResult verifyEntry(Operation *step, StringRef name) {
    const std::string symbol = stepSymbol(name);
    Type pointer = LLVM::LLVMPointerType::get(module.getContext());
    auto type = LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(module.getContext()), {pointer, pointer});
    auto entry = module.lookupSymbol<LLVM::LLVMFuncOp>(symbol);
    if (entry && !entry.isExternal() && entry.getFunctionType() == type)
      return success();
    return refuse(step) << "has " << kStepAttribute << " = \"" << name << "\", which needs the function @"
                        << symbol << " of type " << type << " that step-entry makes";
  }

  /// Parameters lie one behind the other in the weights.
  LogicalResult verifyParameters() {
    std::multimap<int64_t, nn::ParamOp> params; // by their places
    for (auto param : module.getOps<nn::ParamOp>()) {
      if (!param->hasAttr(kOffsetAttribute))
        continue;
      FailureOr<int64_t> offset = readNumber(param, kOffsetAttribute, 0, runtime::kMaxBytes);
      if (failed(offset))
        return failure();
      params.emplace(*offset, param);
    }
    FailureOr<int64_t> size = readNumber(module, kWeightsBytesAttribute, 0, runtime::kMaxBytes,
                                         params.empty() ? Presence::Optional : Presence::Required);
    if (failed(size))
      return failure();
    int64_t end = 0;
    for (auto [offset, param] : params) {
      auto type = cast<RankedTensorType>(param.getType());
      if (!type.getElementType().isInteger() && (type.getRank() < 1 || type.getRank() > 2))
        return refuse(param) << "has " << kOffsetAttribute << " and type " << type
                             << ", expected one or two dimensions, or what nn.pack makes";
      const int64_t bytes = nn::getStorageBytes(type);
      if (offset < end || offset % runtime::kParameterAlignment != 0 || bytes > *size - offset)
        return refuse(param) << "has " << kOffsetAttribute << " = " << offset << ", expected a multiple of "
                             << runtime::kParameterAlignment << " from " << end << " with room for its "
                             << bytes << " bytes before " << kWeightsBytesAttribute << " = " << *size;
      end = offset + bytes;
    }
    return success();
  }

  ModuleOp module;
  const StepForm form;
  llvm::StringSet<> names;
  int64_t outputWidth = 0;
};

} // namespace

SmallVector<Type> stepArgumentTypes(MLIRContext *context, int64_t maxRows, int64_t outputWidth) {
  Type index = IndexType::get(context), ids = bufferType({maxRows}, IntegerType::get(context, 32));
  // The sizes of the sections are known at the end (LowerToCpu.cpp); kernels take views.
  Type bytes = bufferType({std::numeric_limits<int64_t>::max() / 2}, IntegerType::get(context, 8));
  SmallVector<Type> types(kStepArguments, ids);
  types[kRows] = types[kOutputRows] = index;
  types[kWeights] = types[kCache] = bytes;
  types[kCacheOffsets] = bufferType({maxRows}, IntegerType::get(context, 64));
  types[kOutput] = bufferType({maxRows, outputWidth}, Float32Type::get(context));
  return types;
}

LogicalResult verifyStepForm(ModuleOp module, StepForm form) { return StepVerifier(module, form).verify(); }

} // namespace llmc::codegen
