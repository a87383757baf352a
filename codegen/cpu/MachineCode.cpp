//===- MachineCode.cpp - from the LLVM dialect to an object ---------------------------------------------===//

#include "codegen/cpu/MachineCode.h"

#include "absl/strings/str_cat.h"
#include "dialects/nn/NN.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetMachine.h"

namespace llmc::codegen {

namespace {

std::string featureString(const Target &target) {
  std::string text;
  for (const std::string &feature : target.unusedFeatures)
    absl::StrAppend(&text, text.empty() ? "" : ",", "-", feature);
  for (const std::string &feature : target.features)
    absl::StrAppend(&text, text.empty() ? "" : ",", "+", feature);
  return text;
}

std::unique_ptr<llvm::TargetMachine> makeTargetMachine(const Target &target, std::string &error) {
  llvm::Triple triple(target.triple);
  const llvm::Target *description = lookUpCodeGenerator(triple, error);
  if (!description)
    return nullptr;
  llvm::TargetOptions options;
  return std::unique_ptr<llvm::TargetMachine>(
      description->createTargetMachine(triple, target.llvmCpu, featureString(target), options,
                                       llvm::Reloc::PIC_, std::nullopt, llvm::CodeGenOptLevel::Aggressive));
}

} // namespace

void optimize(llvm::Module &module, llvm::TargetMachine &machine) {
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager graphs;
  llvm::ModuleAnalysisManager modules;
  llvm::PassBuilder builder(&machine);
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(graphs);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, graphs, modules);
  builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O3).run(module, modules);
}

absl::StatusOr<std::string> emitCode(mlir::ModuleOp module, const Target &target, CodeForm form) {
  std::string error;
  std::unique_ptr<llvm::TargetMachine> machine = makeTargetMachine(target, error);
  if (!machine)
    return absl::InternalError(absl::StrCat("no code generator for ", target.triple, ": ", error));
  llvm::LLVMContext context;
  // Parameters live in the artifact, not in the code.
  mlir::OwningOpRef<mlir::ModuleOp> code = module.clone();
  for (auto param : llvm::make_early_inc_range(code->getOps<nn::ParamOp>()))
    param.erase();
  std::unique_ptr<llvm::Module> translated = mlir::translateModuleToLLVMIR(*code, context);
  if (!translated)
    return absl::InternalError("the program could not be translated to LLVM IR");
  translated->setDataLayout(machine->createDataLayout());
  translated->setTargetTriple(machine->getTargetTriple());
  for (llvm::Function &function : *translated) {
    function.addFnAttr("target-cpu", target.llvmCpu);
    function.addFnAttr("target-features", featureString(target));
    function.addFnAttr("prefer-vector-width", absl::StrCat(target.lanes * 32));
  }
  optimize(*translated, *machine);

  llvm::SmallString<0> text;
  llvm::raw_svector_ostream stream(text);
  if (form == CodeForm::LlvmIr) {
    translated->print(stream, nullptr);
    return text.str().str();
  }
  llvm::legacy::PassManager emit;
  auto type =
      form == CodeForm::Object ? llvm::CodeGenFileType::ObjectFile : llvm::CodeGenFileType::AssemblyFile;
  if (machine->addPassesToEmitFile(emit, stream, nullptr, type))
    return absl::InternalError(absl::StrCat("LLVM can not write this form of code for ", target.triple));
  emit.run(*translated);
  return text.str().str();
}

} // namespace llmc::codegen
