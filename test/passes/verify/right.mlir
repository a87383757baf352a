// Passes that keep their bounds are left alone, in silence.
// RUN: llmc-opt %s --load-pass-plugin=%build/lib/Miscompile.so --verify-numerics -o %t --pass-pipeline="builtin.module(canonicalize,cse,right-double,right-gelu,right-reassociate,right-round,inline,symbol-dce)" 2>&1 | count 0
// RUN: FileCheck %s < %t
// RUN: llmc-opt %s --load-pass-plugin=%build/lib/Miscompile.so --verify-numerics --pass-pipeline="builtin.module(func.func(canonicalize,cse),right-double,right-cache)" -o /dev/null 2>&1 | count 0

nn.param @w : tensor<5x7xf16>
// CHECK-LABEL: @f
// CHECK-NOT: nn.scale
// CHECK: arith.addf
// CHECK: nn.convert
// CHECK-NOT: call
func.func @f(%x: tensor<?x7xf32>, %y: tensor<?x5xf32>) -> tensor<?x5xf32> {
  %0 = nn.scale %x by 2.0 : tensor<?x7xf32>
  %1 = func.call @g(%0) : (tensor<?x7xf32>) -> tensor<?x5xf32>
  %2 = arith.addf %1, %y : tensor<?x5xf32>
  %3 = arith.subf %2, %1 : tensor<?x5xf32>
  return %3 : tensor<?x5xf32>
}
func.func private @g(%x: tensor<?x7xf32>) -> tensor<?x5xf32> {
  %w = nn.load @w : tensor<5x7xf16>
  %0 = nn.linear %x, %w : tensor<?x7xf32>, tensor<5x7xf16> -> tensor<?x5xf32>
  %1 = nn.gelu exact %0 : tensor<?x5xf32>
  return %1 : tensor<?x5xf32>
}
