//===- Passes.td - the passes below nn for NVIDIA GPUs, in the order of the pipeline ---*- tablegen -*-===//

#ifndef LLMC_CODEGEN_CUDA_PASSES_TD
#define LLMC_CODEGEN_CUDA_PASSES_TD

include "mlir/Pass/PassBase.td"

def LowerToCuda : Pass<"lower-to-cuda", "::mlir::ModuleOp"> {
  let summary = "make GPU kernels of fused nn, and the steps that launch them";
  let description = [{
    As lower-to-cpu, but the kernels are functions of the module `@kernels`, and the steps, which run on the host, launch them one after
    the other with `gpu.launch_func`. All memory of a step is the device's.

    Products multiply bf16 by bf16 on tensor cores and add in f32; codes of quantized weights become bf16 without loss in registers, and
    scales multiply the sums of their groups. Parameters get derived ones, `NAME.kernel`, in the order of the tensor cores' operands
    (`nn.pack ... fragments`).

    Results stay within 1e-5 of the largest: sums are taken in another order.

    Before:

        %y = nn.linear %x, %w : tensor<?x64xbf16>, tensor<128x64xbf16> -> tensor<?x128xf32>

    After:

        %y = memref.alloc() {alignment = 64 : i64} : memref<256x128xf32>
        gpu.launch_func @kernels::@product_prefill blocks in (%c1, %blocks, %c1) threads in (%c256, %c1, %c1)
          args(%x : memref<256x64xbf16>, %w : memref<8x2048xi8>, %rows : index, %y : memref<256x128xf32>)
  }];
  let options = [
    Option<"context", "context", "int64_t", "2048", "Positions that a cache holds">,
    Option<"maxRows", "max-rows", "int64_t", "256", "Rows of one step at most">,
    Option<"streamWeights", "stream-weights", "bool", "false",
      "On sm_90a, have the copy engine bring the weights of steps of one row, by way of shared memory">,
  ];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::func::FuncDialect", "::mlir::gpu::GPUDialect",
    "::mlir::LLVM::LLVMDialect", "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect", "::mlir::nvgpu::NVGPUDialect",
    "::mlir::NVVM::NVVMDialect", "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def LowerTrainingToCuda : Pass<"lower-training-to-cuda", "::mlir::ModuleOp"> {
  let summary = "make GPU kernels of functions for training, and the steps that launch them";
  let description = [{
    As lower-training-to-cpu, with the same steps and sections, but kernels are functions of the module `@kernels`, which the steps launch
    one after the other. All memory of a step is the device's. Rows of buffers are padded to multiples of 16 bytes. Parameters that
    products round to bf16 are rounded once in a step, by a kernel of their own.

    After:

        gpu.launch_func @kernels::@operand_loss_0 blocks in (%c6, %c1, %c1) threads in (%c256, %c1, %c1) args(%w, %rounded)
        gpu.launch_func @kernels::@product_loss_1 blocks in (%c1, %c1, %c1) threads in (%c256, %c1, %c1) args(%x, %rounded, %y)
  }];
  let options = [
    Option<"bf16Attention", "bf16-attention", "bool", "false", "Round what attention multiplies to bf16, for tensor cores">,
    Option<"tileColumns", "tile-columns", "int64_t", "0", "Columns of tiles of products by warpgroups, 128 or 256; 0: by cost">,
    Option<"tileParts", "tile-parts", "int64_t", "0", "Blocks at most that share the inputs of such a tile; 0: by cost">,
  ];
  let dependentDialects = ["::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
    "::mlir::gpu::GPUDialect", "::mlir::LLVM::LLVMDialect", "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
    "::mlir::nvgpu::NVGPUDialect", "::mlir::NVVM::NVVMDialect", "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def MergeKernels : Pass<"merge-kernels", "::mlir::ModuleOp"> {
  let summary = "keep one of kernels that are equal";
  let description = [{
    Kernels of `@kernels` that differ in their names only become the first of them.
  }];
  let dependentDialects = ["::mlir::gpu::GPUDialect"];
}

def LowerKernels : Pass<"lower-kernels", "::mlir::ModuleOp"> {
  let summary = "lower the kernels of @kernels to the dialects llvm and nvvm";
  let description = [{
    Upstream's conversions, with memrefs as bare pointers. Functions of math become what LLVM knows itself: nothing of CUDA's library of
    device functions is needed.
  }];
  let dependentDialects = ["::mlir::affine::AffineDialect", "::mlir::cf::ControlFlowDialect", "::mlir::LLVM::LLVMDialect",
    "::mlir::NVVM::NVVMDialect", "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def LaunchesToCalls : Pass<"launches-to-calls", "::mlir::ModuleOp"> {
  let summary = "turn kernel launches into calls of a launcher for each kernel";
  let description = [{
    Functions with launches, and those that call them, get the worker as their last argument, as in forall-to-spmd. Launchers are declared
    only: define-launchers gives them bodies.

    After:

        func.call @launch.product_prefill(%worker, %blocks_x, %blocks_y, %x, %w, %rows, %y) : ...
  }];
  let dependentDialects = ["::mlir::func::FuncDialect", "::mlir::LLVM::LLVMDialect"];
}

def DefineLaunchers : Pass<"define-launchers", "::mlir::ModuleOp"> {
  let summary = "give launchers their bodies";
  let description = [{
    A launcher puts the arguments of its kernel into memory and calls `llmc_gpu_launch` (runtime/core/StepAbi.h) with the kernel's number in
    `llmc.kernels`, a list that this pass adds to the module. Of matrices that the kernel copies by the device's copy engine it makes tensor
    maps first (`llmc_gpu_tensor_map`).
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect"];
}

#endif // LLMC_CODEGEN_CUDA_PASSES_TD
