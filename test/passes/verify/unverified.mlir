// RUN: llmc-opt %s -verify-diagnostics --load-pass-plugin=%build/lib/Miscompile.so --verify-numerics --pass-pipeline="builtin.module(canonicalize,right-cache,cse)" -o /dev/null
// RUN: not llmc-opt %s --load-pass-plugin=%build/lib/Miscompile.so --verify-numerics --pass-pipeline="builtin.module(canonicalize,right-cache,cse,miscompile-silu)" 2>&1 | FileCheck %s
// A function that fails on made-up inputs does not keep the others from being checked, and checking goes on after a change of
// interface.
// CHECK: error: pass 'miscompile-silu' breaks its bound (within 0.001 of the largest magnitude): in @f

module {
  // expected-warning@+1 {{numerics of @unequal are not verified on 1 row, 3 positions before it, seed 1: 'nn.linear' op multiplies an input of width 1 by a weight of width 2}}
  func.func @unequal(%x: tensor<?x?xf32>, %w: tensor<3x2xf32>) -> tensor<?x3xf32> {
    %0 = nn.linear %x, %w : tensor<?x?xf32>, tensor<3x2xf32> -> tensor<?x3xf32>
    return %0 : tensor<?x3xf32>
  }
  // expected-warning@+1 {{numerics of @scalar are not verified on 1 row, 3 positions before it, seed 1: it takes arguments that no values can be made up for}}
  func.func @scalar(%x: f32) -> f32 {
    return %x : f32
  }
  func.func @f(%x: tensor<?x3xf32>) -> tensor<?x3xf32> {
    %0 = nn.silu %x : tensor<?x3xf32>
    return %0 : tensor<?x3xf32>
  }
}
