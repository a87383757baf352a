// Steps whose regions are in loops or conditions, or in functions that call themselves, get no list of them; one that was there before is gone.
// RUN: llmc-opt %s --forall-to-spmd --split-input-file | FileCheck %s

// CHECK-LABEL: func.func @loop(
// CHECK-NOT:     llmc.regions
// CHECK:         scf.for
func.func private @kernel(index) attributes {llmc.work = {operation = "linear"}}
func.func private @layer() {
  scf.forall (%i) in (7) {
    func.call @kernel(%i) : (index) -> ()
  }
  return
}
func.func @loop(%n: index) attributes {llmc.step = "loop", llmc.regions = [{operation = "stale"}]} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  scf.for %i = %c0 to %n step %c1 {
    func.call @layer() : () -> ()
  }
  scf.forall (%i) in (7) {
    func.call @kernel(%i) : (index) -> ()
  }
  return
}

// -----

// CHECK-LABEL: func.func @itself(
// CHECK-NOT:     llmc.regions
// CHECK:         call @itself
func.func private @kernel(index) attributes {llmc.work = {operation = "linear"}}
func.func @itself() attributes {llmc.step = "itself"} {
  scf.forall (%i) in (7) {
    func.call @kernel(%i) : (index) -> ()
  }
  func.call @itself() : () -> ()
  return
}
