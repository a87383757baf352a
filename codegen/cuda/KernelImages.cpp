//===- KernelImages.cpp - kernels as GPUs load them ----------------------------------------------------===//

#include "codegen/cuda/KernelImages.h"
#include "codegen/cuda/GpuKernel.h"

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "codegen/common/TemporaryFiles.h"
#include "codegen/cpu/MachineCode.h"
#include "mlir/Conversion/NVVMToLLVM/NVVMToLLVM.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/Regex.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include <cstdlib>

using namespace mlir;

namespace llmc::codegen {

namespace {

constexpr const char *kTriple = "nvptx64-nvidia-cuda";

/// An architecture, and the oldest version of PTX that has what our kernels use of it: ptxas and drivers
/// refuse versions that are newer than they are.
struct GpuArch {
  const char *name, *ptxVersion;
};
constexpr GpuArch kGpuArchs[] = {{"sm_80", "+ptx70"},  {"sm_86", "+ptx71"}, {"sm_89", "+ptx78"},
                                 {"sm_90a", "+ptx86"}, {"sm_90", "+ptx78"}, {"sm_100", "+ptx86"},
                                 {"sm_120", "+ptx87"}};

const char *ptxVersion(StringRef name) {
  return llvm::find_if(kGpuArchs, [&](const GpuArch &arch) { return name == arch.name; })->ptxVersion;
}

std::string readFile(const std::string &path) {
  auto file = llvm::MemoryBuffer::getFile(path);
  return file ? (*file)->getBuffer().str() : std::string();
}

absl::Status writeFile(const std::string &path, const std::string &text) {
  std::error_code error;
  llvm::raw_fd_ostream out(path, error);
  out << text;
  out.close();
  if (error || out.has_error()) {
    out.clear_error();
    return absl::DataLossError(absl::StrCat(path, ": cannot be written"));
  }
  return absl::OkStatus();
}

/// What `ptxas -v` says of each kernel.
std::vector<KernelResources> parseResources(StringRef report) {
  std::vector<KernelResources> all;
  llvm::Regex kernel("Compiling entry function '([^']+)'"), registers("Used ([0-9]+) registers"),
      spills("([0-9]+) bytes spill stores");
  SmallVector<StringRef> lines, parts;
  report.split(lines, '\n');
  for (StringRef line : lines) {
    if (kernel.match(line, &parts))
      all.push_back({parts[1].str()});
    if (!all.empty() && registers.match(line, &parts))
      parts[1].getAsInteger(10, all.back().registers);
    if (!all.empty() && spills.match(line, &parts))
      parts[1].getAsInteger(10, all.back().spillBytes);
  }
  return all;
}

} // namespace

std::vector<std::string> knownGpuArchs() {
  std::vector<std::string> names;
  for (const GpuArch &arch : kGpuArchs)
    names.push_back(arch.name);
  names.insert(names.end(), {kHostArch, kHostSm90Arch});
  return names;
}

absl::Status checkGpuArchs(const std::vector<std::string> &archs) {
  const std::vector<std::string> known = knownGpuArchs();
  for (const std::string &arch : archs)
    if (!llvm::is_contained(known, arch))
      return absl::InvalidArgumentError(absl::StrCat("--gpu-arch: unknown architecture '", arch,
                                                     "', expected some of ", absl::StrJoin(known, ",")));
  return absl::OkStatus();
}

std::string findCudaTool(const std::string &tool) {
  if (const char *home = std::getenv("CUDA_HOME"))
    if (auto found = llvm::sys::findProgramByName(tool, {absl::StrCat(home, "/bin")}))
      return *found;
  if (auto found = llvm::sys::findProgramByName(tool))
    return *found;
  auto found = llvm::sys::findProgramByName(tool, {"/usr/local/cuda/bin"});
  return found ? *found : "";
}

bool isKernelFor(Operation *kernel, StringRef arch) {
  auto only = kernel->getAttrOfType<StringAttr>(kOnlyAttribute),
       except = kernel->getAttrOfType<StringAttr>(kExceptAttribute);
  return (!only || arch.ends_with(only.getValue())) && (!except || !arch.ends_with(except.getValue()));
}

std::vector<std::string> kernelsLeftOut(ModuleOp program, StringRef arch) {
  std::vector<std::string> names;
  for (auto module : program.getOps<gpu::GPUModuleOp>())
    for (auto kernel : module.getOps<LLVM::LLVMFuncOp>())
      if (!isKernelFor(kernel, arch))
        names.push_back(kernel.getName().str());
  return names;
}

bool overlapsLaunches(StringRef arch) {
  constexpr int kFirst = 90;
  int capability = 0;
  arch.consume_front("host-");
  arch.consume_back("a");
  return arch.consume_front("sm_") && !arch.getAsInteger(10, capability) && capability >= kFirst;
}

absl::StatusOr<std::string> emitPtx(ModuleOp program, const std::string &arch) {
  OwningOpRef<gpu::GPUModuleOp> kernels = (*program.getOps<gpu::GPUModuleOp>().begin()).clone();
  for (auto kernel : llvm::make_early_inc_range(kernels->getOps<LLVM::LLVMFuncOp>()))
    if (!isKernelFor(kernel, arch))
      kernel.erase();
  if (!overlapsLaunches(arch))
    kernels->walk([](NVVM::GriddepcontrolOp op) { op.erase(); });
  // Operations that have no intrinsics become assembly.
  PassManager manager(program.getContext(), gpu::GPUModuleOp::getOperationName());
  manager.addPass(createConvertNVVMToLLVMPass());
  if (failed(manager.run(*kernels)))
    return absl::InternalError("the kernels could not be lowered to LLVM");
  LLVMInitializeNVPTXTargetInfo();
  LLVMInitializeNVPTXTarget();
  LLVMInitializeNVPTXTargetMC();
  LLVMInitializeNVPTXAsmPrinter();
  std::string error;
  llvm::Triple triple(kTriple);
  const llvm::Target *target = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!target)
    return absl::UnimplementedError(absl::StrCat("this LLVM makes no code for NVIDIA GPUs: ", error));
  std::unique_ptr<llvm::TargetMachine> machine(target->createTargetMachine(
      triple, arch, ptxVersion(arch), {}, std::nullopt, std::nullopt, llvm::CodeGenOptLevel::Aggressive));
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> translated = translateModuleToLLVMIR(*kernels, context);
  if (!translated)
    return absl::InternalError("the kernels could not be translated to LLVM IR");
  translated->setDataLayout(machine->createDataLayout());
  translated->setTargetTriple(triple);
  optimize(*translated, *machine);
  llvm::SmallString<0> text;
  llvm::raw_svector_ostream stream(text);
  llvm::legacy::PassManager emit;
  if (machine->addPassesToEmitFile(emit, stream, nullptr, llvm::CodeGenFileType::AssemblyFile))
    return absl::InternalError("LLVM can not write PTX");
  emit.run(*translated);
  if (text.str().contains(".extern .func"))
    return absl::InternalError("the kernels call functions that GPUs do not have");
  return text.str().str();
}

absl::StatusOr<std::string> assemblePtx(const std::string &ptx, const std::string &arch,
                                        std::vector<KernelResources> *resources) {
  const std::string ptxas = findCudaTool("ptxas");
  if (ptxas.empty())
    return absl::NotFoundError("no ptxas: neither in CUDA_HOME nor on the PATH");
  llvm::SmallString<128> folder;
  if (std::error_code error = llvm::sys::fs::createUniqueDirectory("llmc", folder))
    return temporaryFilesError(error);
  absl::Cleanup removeFolder = [&] { llvm::sys::fs::remove_directories(folder); };
  const std::string base = folder.str().str(), source = base + "/kernels.ptx",
                    cubin = base + "/kernels.cubin", log = base + "/log";
  if (absl::Status status = writeFile(source, ptx); !status.ok())
    return status;
  std::string message, gpu = "-arch=" + arch;
  std::vector<llvm::StringRef> command{ptxas, gpu, "-v", source, "-o", cubin};
  std::optional<llvm::StringRef> redirects[] = {std::nullopt, StringRef(log), StringRef(log)};
  const int result = llvm::sys::ExecuteAndWait(ptxas, command, std::nullopt, redirects, 0, 0, &message);
  const std::string report = readFile(log);
  if (result != 0)
    return absl::InternalError(absl::StrCat(ptxas, " refused the kernels: ", message, report.substr(0, 400)));
  if (resources)
    *resources = parseResources(report);
  return readFile(cubin);
}

void embedImages(ModuleOp program, const std::vector<KernelImage> &images) {
  for (auto kernels : llvm::make_early_inc_range(program.getOps<gpu::GPUModuleOp>()))
    kernels.erase();
  OpBuilder builder = OpBuilder::atBlockBegin(program.getBody());
  for (auto [i, image] : llvm::enumerate(images)) {
    std::string contents = image.contents;
    contents.push_back('\0'); // PTX is a string
    auto type = LLVM::LLVMArrayType::get(builder.getI8Type(), contents.size());
    LLVM::GlobalOp::create(builder, program.getLoc(), type, /*isConstant=*/true, LLVM::Linkage::External,
                           imageSymbol(i), builder.getStringAttr(contents), /*alignment=*/64);
  }
}

std::string imageSymbol(size_t number) { return absl::StrCat("llmc_image_", number); }

} // namespace llmc::codegen
