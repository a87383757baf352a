// RUN: llmc-opt %s --launches-to-calls | FileCheck %s

// What a kernel takes as a tensor map, its launcher gets as a matrix: where that begins in bytes, its rows, columns and bytes of a row, rows of a box.
// CHECK: func.func private @launch.k(!llvm.ptr, index, index, memref<8x64xbf16>, memref<8x40xbf16, strided<[128, 1], offset: 64>>
// CHECK-SAME: {llmc.tensor_map = array<i64: 128, 8, 40, 256, 4>})
// CHECK-SAME: llmc.kernel = "k", llmc.persistent
// CHECK: call @launch.k(
module attributes {gpu.container_module} {
  func.func @f(%x: memref<8x64xbf16>, %y: memref<8x40xbf16, strided<[128, 1], offset: 64>>) {
    %c1 = arith.constant 1 : index
    %c32 = arith.constant 32 : index
    gpu.launch_func @kernels::@k blocks in (%c1, %c1, %c1) threads in (%c32, %c1, %c1)
      args(%x : memref<8x64xbf16>, %y : memref<8x40xbf16, strided<[128, 1], offset: 64>>)
    return
  }
  gpu.module @kernels {
    gpu.func @k(%x: memref<8x64xbf16>, %y: memref<8x40xbf16, strided<[128, 1], offset: 64>>) kernel
        attributes {llmc.persistent, llmc.tensor_maps = [array<i64: 1, 4>]} {
      gpu.return
    }
  }
}
