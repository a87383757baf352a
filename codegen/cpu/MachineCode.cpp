//===- MachineCode.cpp - from the LLVM dialect to a shared object
//--------------------------------------------===//

#include "codegen/cpu/MachineCode.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "dialects/nn/NN.h"
#include "lld/Common/Driver.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetMachine.h"

LLD_HAS_DRIVER(elf)

namespace llmc::codegen {

namespace {

std::string featureString(const Target &target) {
  return absl::StrJoin(target.features, ",", [](std::string *out, const std::string &feature) {
    absl::StrAppend(out, "+", feature);
  });
}

std::unique_ptr<llvm::TargetMachine> makeTargetMachine(const Target &target, std::string &error) {
  llvm::InitializeNativeTarget();
  llvm::InitializeNativeTargetAsmPrinter();
  llvm::Triple triple(target.triple);
  const llvm::Target *description = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!description)
    return nullptr;
  llvm::TargetOptions options;
  return std::unique_ptr<llvm::TargetMachine>(
      description->createTargetMachine(triple, target.cpu, featureString(target), options, llvm::Reloc::PIC_,
                                       std::nullopt, llvm::CodeGenOptLevel::Aggressive));
}

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

} // namespace

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
    function.addFnAttr("target-cpu", target.cpu);
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

absl::StatusOr<std::string> linkShared(const std::string &object, const std::string &workFolder) {
  llvm::SmallString<128> objectPath(workFolder), sharedPath(workFolder);
  llvm::sys::path::append(objectPath, "code.o");
  llvm::sys::path::append(sharedPath, "code.so");
  {
    std::error_code code;
    llvm::raw_fd_ostream out(objectPath, code);
    out << object;
    out.close();
    if (code || out.has_error()) {
      std::string reason = code ? code.message() : out.error().message();
      out.clear_error();
      return absl::DataLossError(absl::StrCat(objectPath.c_str(), ": can not be written: ", reason));
    }
  }
  std::string messages;
  llvm::raw_string_ostream log(messages);
  const char *arguments[] = {"ld.lld",           "-shared",         "--no-undefined-version", "-z",
                             "noexecstack",      "--gc-sections",   "--hash-style=gnu",       "-o",
                             sharedPath.c_str(), objectPath.c_str()};
  lld::Result result = lld::lldMain(arguments, log, log, {{lld::Gnu, &lld::elf::link}});
  llvm::sys::fs::remove(objectPath);
  if (result.retCode != 0)
    return absl::InternalError(absl::StrCat("linking failed: ", messages));
  auto shared = llvm::MemoryBuffer::getFile(sharedPath, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  llvm::sys::fs::remove(sharedPath);
  if (!shared)
    return absl::InternalError(absl::StrCat(sharedPath.c_str(), ": ", shared.getError().message()));
  return (*shared)->getBuffer().str();
}

} // namespace llmc::codegen
