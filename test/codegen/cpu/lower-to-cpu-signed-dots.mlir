// Codes of 8 bits are made signed where the processor multiplies signed bytes only; their center of 128 comes along.
// RUN: llmc-opt %s --lower-to-cpu="target-cpu=neoverse-n1 max-rows=8" | FileCheck %s
// RUN: llmc-opt %s --lower-to-cpu="target-cpu=neoverse-v1 max-rows=8" | FileCheck %s --check-prefix=MIXED

// CHECK-LABEL: func.func private @product_prefill(
// CHECK-NOT:     arith.muli {{.*}} : vector<4xi32>
// CHECK:         %[[TOP:.*]] = arith.constant -2139062144 : i32
// CHECK:         %[[MASK:.*]] = vector.broadcast %[[TOP]]
// CHECK:         %[[CODES:.*]] = arith.xori %{{.*}}, %[[MASK]] : vector<4xi32>
// CHECK:         %[[BYTES:.*]] = vector.bitcast %[[CODES]] : vector<4xi32> to vector<16xi8>
// CHECK:         "llvm.aarch64.neon.sdot.v4i32.v16i8"(%{{.*}}, %[[BYTES]], %{{.*}})
// CHECK-NOT:     arith.muli {{.*}} : vector<4xi32>
// MIXED-NOT:   arith.xori
// MIXED:       arith.muli {{.*}} : vector<4xi32>
// MIXED-NOT:   arith.xori
// MIXED:       "llvm.aarch64.neon.usdot.v4i32.v16i8"
nn.param @table : tensor<37x64xf32>
nn.param @stored : tensor<64x64x!nn.block<q8_0>>
nn.param @codes : tensor<64x64x!nn.block<q8_0, aligned>> = {
  %0 = nn.load @stored : tensor<64x64x!nn.block<q8_0>>
  %1 = nn.convert %0 : tensor<64x64x!nn.block<q8_0>> -> tensor<64x64x!nn.block<q8_0, aligned>>
  nn.yield %1 : tensor<64x64x!nn.block<q8_0, aligned>>
}

func.func @forward(%tokens: tensor<?xi32> {nn.input = "tokens"}) -> tensor<?x64xf32> {
  %table = nn.load @table : tensor<37x64xf32>
  %x = nn.embedding %tokens, %table : tensor<?xi32>, tensor<37x64xf32> -> tensor<?x64xf32>
  %codes = nn.load @codes : tensor<64x64x!nn.block<q8_0, aligned>>
  %0 = nn.convert %x : tensor<?x64xf32> -> tensor<?x64x!nn.block<q8_k>>
  %1 = nn.linear %0, %codes : tensor<?x64x!nn.block<q8_k>>, tensor<64x64x!nn.block<q8_0, aligned>> -> tensor<?x64xf32>
  return %1 : tensor<?x64xf32>
}
