// RUN: llmc-opt %s --forall-to-spmd --split-input-file --verify-diagnostics | FileCheck %s

// CHECK: func.func private @llmc_region_next(!llvm.ptr, i64) -> i64
func.func private @kernel(memref<16xf32>, index) attributes {llmc.work = {operation = "linear"}}
func.func private @own(memref<16xf32>)

// Steps list what the kernels of their regions compute, layer by layer.
// CHECK-LABEL: func.func @step(
// CHECK-SAME:    %[[X:[^:]+]]: memref<16xf32>, %[[COUNT:[^:]+]]: index, %[[WORKER:[^:]+]]: !llvm.ptr)
// CHECK-SAME:    llmc.regions = [{operation = "linear"}, {operation = "linear"}, {operation = "linear"}]
// CHECK:         %[[CHUNKS:.+]] = arith.index_cast %[[COUNT]] : index to i64
// CHECK:         scf.while : () -> i64
// CHECK-NEXT:      %[[CHUNK:.+]] = func.call @llmc_region_next(%[[WORKER]], %[[CHUNKS]])
// CHECK:           %[[CLAIMED:.+]] = arith.cmpi sge, %[[CHUNK]]
// CHECK-NEXT:      scf.condition(%[[CLAIMED]]) %[[CHUNK]] : i64
// CHECK:           %[[INDEX:.+]] = arith.index_cast
// CHECK-NEXT:      func.call @kernel(%[[X]], %[[INDEX]])

// Layers get the worker too.
// CHECK:         call @layer(%[[X]], %[[WORKER]])

// A kernel that is called alone would run on all threads: it becomes a region of one chunk.
// CHECK:         %[[ONE:.+]] = arith.index_cast %c1
// CHECK:         func.call @llmc_region_next(%[[WORKER]], %[[ONE]])
// CHECK:         func.call @kernel(%[[X]], %c0)
// CHECK-NEXT:    scf.yield

// What every thread does for itself stays.
// CHECK-NEXT:  }
// CHECK-NEXT:  call @own(%[[X]]) {llmc.every_thread}
// CHECK-NEXT:  return
func.func @step(%x: memref<16xf32>, %count: index) attributes {llmc.step = "step"} {
  scf.forall (%i) in (%count) {
    func.call @kernel(%x, %i) : (memref<16xf32>, index) -> ()
  }
  call @layer(%x) : (memref<16xf32>) -> ()
  %c0 = arith.constant 0 : index
  call @kernel(%x, %c0) : (memref<16xf32>, index) -> ()
  call @own(%x) {llmc.every_thread} : (memref<16xf32>) -> ()
  return
}

// CHECK-LABEL: func.func private @layer(
// CHECK-SAME:    memref<16xf32>, %[[WORKER:[^:]+]]: !llvm.ptr)
// CHECK:         func.call @llmc_region_next(%[[WORKER]]
// CHECK-NOT:   scf.forall
func.func private @layer(%x: memref<16xf32>) {
  scf.forall (%i) in (7) {
    func.call @kernel(%x, %i) : (memref<16xf32>, index) -> ()
  }
  return
}

// -----

func.func private @kernel(memref<16xf32>, index)

func.func @step(%x: memref<16xf32>) attributes {llmc.step = "step"} {
  // expected-error@below {{has not the form of a parallel region: one dimension from 0 in steps of 1, no results}}
  scf.forall (%i, %j) in (3, 4) {
    func.call @kernel(%x, %i) : (memref<16xf32>, index) -> ()
  }
  return
}
