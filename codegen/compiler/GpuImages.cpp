//===- GpuImages.cpp - the kernels of a program in the forms that an artifact has ------------------------===//

#include "codegen/compiler/GpuImages.h"

#include "absl/cleanup/cleanup.h"
#include "codegen/common/TemporaryFiles.h"
#include "codegen/compiler/Compiler.h"
#include "codegen/cuda/HostKernels.h"
#include "codegen/cuda/Passes.h"
#include "llvm/Support/FileSystem.h"

using namespace mlir;

namespace llmc::codegen {

std::vector<std::string> defaultGpuArchs() { return {"sm_80", "sm_90a"}; }

static bool isHostArch(const std::string &arch) { return arch == kHostArch || arch == kHostSm90Arch; }

absl::StatusOr<std::vector<KernelImage>> makeKernelImages(ModuleOp program, std::vector<std::string> archs,
                                                          ImageForm form) {
  if (archs.empty())
    archs = defaultGpuArchs();
  std::vector<KernelImage> images;
  for (const std::string &arch : archs) {
    if (!isHostArch(arch))
      continue;
    llvm::SmallString<128> folder;
    if (std::error_code error = llvm::sys::fs::createUniqueDirectory("llmc", folder))
      return temporaryFilesError(error);
    absl::Cleanup removeFolder = [&] { llvm::sys::fs::remove_directories(folder); };
    absl::StatusOr<std::string> host = emitHostKernels(program, arch, folder.str().str());
    if (!host.ok())
      return host.status();
    images.push_back({KernelImage::Kind::Host, arch, *std::move(host)});
  }
  llvm::erase_if(archs, isHostArch);
  const bool assembles = form != ImageForm::Ptx && !findCudaTool("ptxas").empty();
  if (!assembles && form == ImageForm::Cubin)
    return absl::NotFoundError(
        "--emit=cubin: needs ptxas of the CUDA toolkit, which is neither in CUDA_HOME nor on the PATH");
  if (!assembles && form == ImageForm::All && !archs.empty())
    emitRemark(program.getLoc()) << "no ptxas was found: the artifact has PTX only, which drivers compile "
                                    "where it is loaded";
  for (const std::string &arch : archs) {
    const bool isFirst = arch == archs.front();
    if (!isFirst && (!assembles || form == ImageForm::Cubin))
      break;
    absl::StatusOr<std::string> text = emitPtx(program, arch);
    if (!text.ok())
      return text.status();
    if (isFirst && form != ImageForm::Cubin)
      images.push_back({KernelImage::Kind::Ptx, arch, *text});
    if (!assembles)
      break;
    absl::StatusOr<std::string> cubin = assemblePtx(*text, arch, nullptr);
    if (!cubin.ok())
      return cubin.status();
    images.push_back({KernelImage::Kind::Cubin, arch, *std::move(cubin)});
  }
  for (KernelImage &image : images)
    image.leftOut = kernelsLeftOut(program, image.arch);
  return images;
}

void describeKernels(runtime::Manifest &manifest, ModuleOp program, const std::vector<KernelImage> &images) {
  runtime::Gpu *gpu = manifest.mutable_gpu();
  for (StringAttr kernel : program->getAttrOfType<ArrayAttr>(kKernelsAttribute).getAsRange<StringAttr>())
    gpu->add_kernels(kernel.str());
  for (auto [i, image] : llvm::enumerate(images)) {
    runtime::GpuImage *described = gpu->add_images();
    described->set_kind(image.kind == KernelImage::Kind::Ptx     ? runtime::GpuImage::PTX
                        : image.kind == KernelImage::Kind::Cubin ? runtime::GpuImage::CUBIN
                                                                 : runtime::GpuImage::HOST);
    described->set_arch(image.arch);
    described->set_waits_for_launches(overlapsLaunches(image.arch));
    described->set_symbol(imageSymbol(i));
    described->set_size(image.contents.size());
    described->mutable_left_out()->Assign(image.leftOut.begin(), image.leftOut.end());
  }
}

} // namespace llmc::codegen
