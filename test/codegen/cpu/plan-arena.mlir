// RUN: llmc-opt %s --plan-arena --split-input-file | FileCheck %s

func.func private @kernel(memref<16xf32>, memref<16xf32>, index)

// %a is not read any more when %c is written, so that they share the first 64 bytes.
// CHECK-LABEL: func.func @chain(
// CHECK-SAME:    %[[ARENA:[^ ]+]]: memref<128xi8>) attributes {llmc.arena_bytes = 128 : i64
// CHECK:         %[[FIRST:.+]] = arith.constant 0 : index
// CHECK-NEXT:    %[[A:.+]] = memref.view %[[ARENA]][%[[FIRST]]][]
// CHECK:         %[[SECOND:.+]] = arith.constant 64 : index
// CHECK-NEXT:    %[[B:.+]] = memref.view %[[ARENA]][%[[SECOND]]][]
// CHECK:         %[[AGAIN:.+]] = arith.constant 0 : index
// CHECK-NEXT:    %[[C:.+]] = memref.view %[[ARENA]][%[[AGAIN]]][]
func.func @chain(%x: memref<16xf32>) attributes {llmc.step = "chain"} {
  %a = memref.alloc() : memref<16xf32>
  scf.forall (%i) in (4) {
    func.call @kernel(%x, %a, %i) : (memref<16xf32>, memref<16xf32>, index) -> ()
  }
  %b = memref.alloc() : memref<16xf32>
  scf.forall (%i) in (4) {
    func.call @kernel(%a, %b, %i) : (memref<16xf32>, memref<16xf32>, index) -> ()
  }
  %c = memref.alloc() : memref<16xf32>
  scf.forall (%i) in (4) {
    func.call @kernel(%b, %c, %i) : (memref<16xf32>, memref<16xf32>, index) -> ()
  }
  return
}

// -----

func.func private @kernel(memref<16xf32>, memref<16xf32>, index)
func.func private @own(memref<16xf32>, memref<16xf32>)

// What every thread reads for itself may still be read by one while others write in the region behind: %a and %b do not share.
// CHECK-LABEL: func.func @every_thread(
// CHECK-SAME:    llmc.arena_bytes = 128 : i64
func.func @every_thread(%x: memref<16xf32>) attributes {llmc.step = "every_thread"} {
  %a = memref.alloc() : memref<16xf32>
  scf.forall (%i) in (4) {
    func.call @kernel(%x, %a, %i) : (memref<16xf32>, memref<16xf32>, index) -> ()
  }
  %own = memref.alloca() : memref<16xf32>
  func.call @own(%a, %own) {llmc.every_thread} : (memref<16xf32>, memref<16xf32>) -> ()
  %b = memref.alloc() : memref<16xf32>
  scf.forall (%i) in (4) {
    func.call @kernel(%own, %b, %i) : (memref<16xf32>, memref<16xf32>, index) -> ()
  }
  return
}

// -----

func.func private @kernel(memref<16xf32>, memref<16xf32>, index)

// Two calls use the same piece of their caller's arena, which %a is not part of.
// CHECK-LABEL: func.func @caller(
// CHECK-SAME:    %[[ARENA:[^ ]+]]: memref<128xi8>) attributes {llmc.arena_bytes = 128 : i64
// CHECK-COUNT-2: call @layer(%{{.+}}, %{{.+}}) : (memref<16xf32>, memref<64xi8>) -> ()
// CHECK-LABEL: func.func private @layer(
// CHECK-SAME:    memref<16xf32>, %{{.+}}: memref<64xi8>) attributes {llmc.arena_bytes = 64 : i64}
func.func @caller(%x: memref<16xf32>) attributes {llmc.step = "caller"} {
  %a = memref.alloc() : memref<16xf32>
  scf.forall (%i) in (4) {
    func.call @kernel(%x, %a, %i) : (memref<16xf32>, memref<16xf32>, index) -> ()
  }
  call @layer(%a) : (memref<16xf32>) -> ()
  call @layer(%a) : (memref<16xf32>) -> ()
  return
}

func.func private @layer(%x: memref<16xf32>) {
  %a = memref.alloc() : memref<16xf32>
  scf.forall (%i) in (4) {
    func.call @kernel(%x, %a, %i) : (memref<16xf32>, memref<16xf32>, index) -> ()
  }
  return
}

// -----

// What threads compute for themselves (%own, of %a) is used in two regions: %a is there until the second has ended, though nothing reads it
// after the first, since a late thread may compute %own then.
func.func private @choose(memref<64xf32>, memref<64xf32>)
func.func private @use(memref<64xf32>, memref<64xf32>, index)

// CHECK-LABEL: func.func @late(
// CHECK-SAME:    llmc.arena_bytes = 768
func.func @late(%x: memref<64xf32>, %y: memref<64xf32>) attributes {llmc.step = "late"} {
  %own = memref.alloca() : memref<64xf32>
  %a = memref.alloc() {alignment = 64 : i64} : memref<64xf32>
  %b = memref.alloc() {alignment = 64 : i64} : memref<64xf32>
  %c = memref.alloc() {alignment = 64 : i64} : memref<64xf32>
  scf.forall (%i) in (4) { func.call @use(%x, %a, %i) : (memref<64xf32>, memref<64xf32>, index) -> () }
  call @choose(%a, %own) {llmc.every_thread} : (memref<64xf32>, memref<64xf32>) -> ()
  scf.forall (%i) in (4) { func.call @use(%own, %b, %i) : (memref<64xf32>, memref<64xf32>, index) -> () }
  scf.forall (%i) in (4) {
    func.call @use(%own, %c, %i) : (memref<64xf32>, memref<64xf32>, index) -> ()
    func.call @use(%b, %c, %i) : (memref<64xf32>, memref<64xf32>, index) -> ()
  }
  scf.forall (%i) in (4) { func.call @use(%c, %y, %i) : (memref<64xf32>, memref<64xf32>, index) -> () }
  return
}
