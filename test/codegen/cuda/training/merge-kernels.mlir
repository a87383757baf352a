// RUN: llmc-opt %s --merge-kernels | FileCheck %s

// Two kernels are equal but for their names; the third is not.
// CHECK: gpu.launch_func @kernels::@a
// CHECK: gpu.launch_func @kernels::@a
// CHECK: gpu.launch_func @kernels::@c
// CHECK: gpu.func @a
// CHECK-NOT: gpu.func @b
// CHECK: gpu.func @c
module attributes {gpu.container_module} {
  func.func @f(%x: memref<8xf32>) {
    %c1 = arith.constant 1 : index
    %c32 = arith.constant 32 : index
    gpu.launch_func @kernels::@a blocks in (%c1, %c1, %c1) threads in (%c32, %c1, %c1) args(%x : memref<8xf32>)
    gpu.launch_func @kernels::@b blocks in (%c1, %c1, %c1) threads in (%c32, %c1, %c1) args(%x : memref<8xf32>)
    gpu.launch_func @kernels::@c blocks in (%c1, %c1, %c1) threads in (%c32, %c1, %c1) args(%x : memref<8xf32>)
    return
  }
  gpu.module @kernels {
    gpu.func @a(%x: memref<8xf32>) kernel {
      %c0 = arith.constant 0 : index
      %v = arith.constant 1.0 : f32
      memref.store %v, %x[%c0] : memref<8xf32>
      gpu.return
    }
    gpu.func @b(%x: memref<8xf32>) kernel {
      %c0 = arith.constant 0 : index
      %v = arith.constant 1.0 : f32
      memref.store %v, %x[%c0] : memref<8xf32>
      gpu.return
    }
    gpu.func @c(%x: memref<8xf32>) kernel {
      %c0 = arith.constant 0 : index
      %v = arith.constant 2.0 : f32
      memref.store %v, %x[%c0] : memref<8xf32>
      gpu.return
    }
  }
}
