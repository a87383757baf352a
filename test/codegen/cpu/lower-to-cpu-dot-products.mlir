// Products use the dot products that the processor has, and no others.
// RUN: llmc-opt %s --lower-to-cpu="target-cpu=znver4 max-rows=8" | FileCheck %s --check-prefix=ZEN4
// RUN: llmc-opt %s --lower-to-cpu="target-cpu=alderlake max-rows=8" | FileCheck %s --check-prefix=ALDERLAKE
// RUN: llmc-opt %s --lower-to-cpu="target-cpu=x86-64-v3 max-rows=8" | FileCheck %s --check-prefix=AVX2
// RUN: llmc-opt %s --lower-to-cpu="target-cpu=sapphirerapids max-rows=32" | FileCheck %s --check-prefix=AMX

// ZEN4-LABEL: func.func private @product_prefill(
// ZEN4:         "llvm.x86.avx512.vpdpbusd.512"
// ZEN4-LABEL: func.func private @product_prefill_0(
// ZEN4:         "llvm.x86.avx512bf16.dpbf16ps.512"

// ALDERLAKE:     "llvm.x86.avx512.vpdpbusd.256"
// ALDERLAKE-NOT: dpbf16ps

// Products of many rows go to the matrix unit.
// AMX-LABEL: func.func private @product_prefill(
// AMX-NOT:     llvm.x86
// AMX:         call @product_tiles(
// AMX-LABEL: func.func private @product_tiles(
// AMX:         amx.tile_muli {{.*}} : !amx.tile<16x64xi8>, !amx.tile<16x64xi8>, !amx.tile<16x16xi32>
// AMX-LABEL: func.func private @product_prefill_0(
// AMX-NOT:     dpbf16ps
// AMX:         call @product_tiles_0(
// AMX-LABEL: func.func private @product_tiles_0(
// AMX:         amx.tile_mulf {{.*}} : !amx.tile<16x32xbf16>, !amx.tile<16x32xbf16>, !amx.tile<16x16xf32>

// Products of bytes are summed in 16 bits as long as they fit: those of a group of 4-bit codes, here in four rows, which then
// meet their scale in both halves.
// RUN: llmc-opt %s --lower-to-cpu="target-cpu=x86-64-v3 max-rows=8" | FileCheck %s --check-prefix=PAIRS
// RUN: llmc-opt %s --lower-to-cpu="target-cpu=skylake-avx512 max-rows=8" | FileCheck %s --check-prefix=SKYLAKE
// PAIRS-LABEL:       func.func private @product_prefill(
// PAIRS-COUNT-32:      "llvm.x86.avx2.pmadd.ub.sw"
// PAIRS-NEXT:          arith.addi {{.*}} : vector<16xi16>
// PAIRS-NOT:           pmaddub
// PAIRS:               "llvm.x86.avx2.pmadd.wd"
// SKYLAKE: "llvm.x86.avx512.pmaddubs.w.512"
// SKYLAKE: "llvm.x86.avx512.pmaddw.d.512"

// RUN: llmc-opt %s --lower-to-cpu="target-cpu=armv8-a max-rows=8" | FileCheck %s --check-prefix=NEON
// RUN: llmc-opt %s --lower-to-cpu="target-cpu=cortex-a76 max-rows=8" | FileCheck %s --check-prefix=SDOT
// RUN: llmc-opt %s --lower-to-cpu="target-cpu=armv8.6-a max-rows=8" | FileCheck %s --check-prefix=I8MM
// NEON-LABEL:  func.func private @product_prefill(
// NEON-NOT:      neon.{{.*}}dot
// NEON:          "llvm.aarch64.neon.smull.v8i16"
// NEON:          "llvm.aarch64.neon.addp.v8i16"
// NEON:          "llvm.aarch64.neon.smull.v4i32"
// NEON:          "llvm.aarch64.neon.addp.v4i32"
// NEON-LABEL:  func.func private @product_prefill_0(
// NEON:          vector.fma {{.*}} : vector<4xf32>
// SDOT:          "llvm.aarch64.neon.sdot.v4i32.v16i8"
// SDOT-NOT:      bfdot
// I8MM:          "llvm.aarch64.neon.usdot.v4i32.v16i8"
// I8MM:          "llvm.aarch64.neon.bfdot.v4f32.v8bf16"

// AVX2-NOT: llvm.x86.avx512
// AVX2:     vector.fma {{.*}} : vector<8xf32>
// AVX2-NOT: llvm.x86.avx512
nn.param @table : tensor<37x64xf32>
nn.param @stored : tensor<64x64x!nn.block<q4_1>>
nn.param @codes : tensor<64x64x!nn.block<q4_1, aligned>> = {
  %0 = nn.load @stored : tensor<64x64x!nn.block<q4_1>>
  %1 = nn.convert %0 : tensor<64x64x!nn.block<q4_1>> -> tensor<64x64x!nn.block<q4_1, aligned>>
  nn.yield %1 : tensor<64x64x!nn.block<q4_1, aligned>>
}
nn.param @brain : tensor<64x64xbf16>

func.func @forward(%tokens: tensor<?xi32> {nn.input = "tokens"}) -> tensor<?x64xf32> {
  %table = nn.load @table : tensor<37x64xf32>
  %x = nn.embedding %tokens, %table : tensor<?xi32>, tensor<37x64xf32> -> tensor<?x64xf32>
  %codes = nn.load @codes : tensor<64x64x!nn.block<q4_1, aligned>>
  %0 = nn.convert %x : tensor<?x64xf32> -> tensor<?x64x!nn.block<q8_k>>
  %1 = nn.linear %0, %codes : tensor<?x64x!nn.block<q8_k>>, tensor<64x64x!nn.block<q4_1, aligned>> -> tensor<?x64xf32>
  %brain = nn.load @brain : tensor<64x64xbf16>
  %2 = nn.convert %1 : tensor<?x64xf32> -> tensor<?x64xbf16>
  %3 = nn.linear %2, %brain : tensor<?x64xbf16>, tensor<64x64xbf16> -> tensor<?x64xf32>
  return %3 : tensor<?x64xf32>
}
