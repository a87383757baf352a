// A pass with an approximate bound is held to it function by function: a layer is off by 1%, four of them by more than the bound.
// RUN: split-file %s %t
// RUN: llmc-opt %t/layers.mlir --load-pass-plugin=%build/lib/Miscompile.so --verify-numerics --pass-pipeline="builtin.module(right-stretch)" -o /dev/null 2>&1 | count 0
// RUN: not llmc-opt %t/whole.mlir --load-pass-plugin=%build/lib/Miscompile.so --verify-numerics --pass-pipeline="builtin.module(right-stretch)" 2>&1 | FileCheck %s --check-prefix=WHOLE
// WHOLE: error: pass 'right-stretch' breaks its bound (within 0.015 of the largest magnitude): in @f
//
// What is wrong in a layer is found there, by the function's name.
// RUN: not llmc-opt %t/layers.mlir --load-pass-plugin=%build/lib/Miscompile.so --verify-numerics --pass-pipeline="builtin.module(miscompile-stretch)" 2>&1 | FileCheck %s --check-prefix=LAYER
// LAYER: error: pass 'miscompile-stretch' breaks its bound (within 0.015 of the largest magnitude): in @layer, result 0: element [0, 0] is {{.*}} before and {{.*}} after (1 row, 3 positions before it, seed 1)
//
// A function that cannot be run by itself is judged with those that call it.
// RUN: not llmc-opt %t/unknown.mlir --load-pass-plugin=%build/lib/Miscompile.so --verify-numerics --pass-pipeline="builtin.module(right-stretch)" 2>&1 | FileCheck %s --check-prefix=CALLER
// CALLER: error: pass 'right-stretch' breaks its bound (within 0.015 of the largest magnitude): in @f

//--- layers.mlir
func.func @f(%x: tensor<?x3xf32>) -> tensor<?x3xf32> {
  %1 = call @layer(%x) : (tensor<?x3xf32>) -> tensor<?x3xf32>
  %2 = call @layer(%1) : (tensor<?x3xf32>) -> tensor<?x3xf32>
  %3 = call @layer(%2) : (tensor<?x3xf32>) -> tensor<?x3xf32>
  %4 = call @layer(%3) : (tensor<?x3xf32>) -> tensor<?x3xf32>
  return %4 : tensor<?x3xf32>
}
func.func private @layer(%x: tensor<?x3xf32>) -> tensor<?x3xf32> {
  %0 = nn.scale %x by 3.0 : tensor<?x3xf32>
  return %0 : tensor<?x3xf32>
}

//--- whole.mlir
func.func @f(%x: tensor<?x3xf32>) -> tensor<?x3xf32> {
  %1 = nn.scale %x by 3.0 : tensor<?x3xf32>
  %2 = nn.scale %1 by 3.0 : tensor<?x3xf32>
  return %2 : tensor<?x3xf32>
}

//--- unknown.mlir
nn.param @codes : tensor<3xi8>
func.func @f(%x: tensor<?x3xf32>) -> tensor<?x3xf32> {
  %c = nn.load @codes : tensor<3xi8>
  %1 = call @layer(%x, %c) : (tensor<?x3xf32>, tensor<3xi8>) -> tensor<?x3xf32>
  %2 = call @layer(%1, %c) : (tensor<?x3xf32>, tensor<3xi8>) -> tensor<?x3xf32>
  return %2 : tensor<?x3xf32>
}
func.func private @layer(%x: tensor<?x3xf32>, %codes: tensor<3xi8>) -> tensor<?x3xf32> {
  %0 = nn.scale %x by 3.0 : tensor<?x3xf32>
  return %0 : tensor<?x3xf32>
}
