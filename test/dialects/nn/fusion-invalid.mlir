// RUN: llmc-opt %s -split-input-file -verify-diagnostics

func.func private @g(tensor<2x7xf32>) -> tensor<2x7xf32>
func.func @f(%x: tensor<2x7xf32>, %w: tensor<7x7xf32>) {
  // expected-error@+1 {{has 2 inputs but a type with 1}}
  %0 = nn.fusion(%a = %x, %b = %w) : (tensor<2x7xf32>) -> tensor<2x7xf32> {
    %1 = nn.silu %a : tensor<2x7xf32>
    nn.yield %1 : tensor<2x7xf32>
  }
  return
}

// -----

func.func private @g(tensor<2x7xf32>) -> tensor<2x7xf32>
func.func @f(%x: tensor<2x7xf32>, %w: tensor<7x7xf32>) {
  // expected-error@+1 {{has a body whose yielded values differ in type from its results}}
  %0 = nn.fusion(%a = %x, %b = %w) : (tensor<2x7xf32>, tensor<7x7xf32>) -> tensor<2x7xf32> {
    %1 = nn.silu %b : tensor<7x7xf32>
    nn.yield %1 : tensor<7x7xf32>
  }
  return
}

// -----

func.func private @g(tensor<2x7xf32>) -> tensor<2x7xf32>
func.func @f(%x: tensor<2x7xf32>, %w: tensor<7x7xf32>) {
  // expected-error@+1 {{contains 'func.call', which is not pure}}
  %0 = nn.fusion(%a = %x, %b = %w) : (tensor<2x7xf32>, tensor<7x7xf32>) -> tensor<2x7xf32> {
    %1 = func.call @g(%a) : (tensor<2x7xf32>) -> tensor<2x7xf32>
    nn.yield %1 : tensor<2x7xf32>
  }
  return
}

// -----

func.func private @g(tensor<2x7xf32>) -> tensor<2x7xf32>
func.func @f(%x: tensor<2x7xf32>, %w: tensor<7x7xf32>) {
  // expected-error@+1 {{contains 2 products, at most one is possible in a kernel}}
  %0 = nn.fusion(%a = %x, %b = %w) : (tensor<2x7xf32>, tensor<7x7xf32>) -> tensor<2x7xf32> {
    %2 = nn.linear %a, %b : tensor<2x7xf32>, tensor<7x7xf32> -> tensor<2x7xf32>
    %1 = nn.linear %2, %b : tensor<2x7xf32>, tensor<7x7xf32> -> tensor<2x7xf32>
    nn.yield %1 : tensor<2x7xf32>
  }
  return
}

// -----

func.func @f(%x: tensor<2x7xf32>) {
  // expected-error@+1 {{has a body whose arguments differ in type from its inputs}}
  %0 = "nn.fusion"(%x) ({
  ^bb0(%a: tensor<3x7xf32>):
    %1 = arith.constant dense<0.0> : tensor<2x7xf32>
    nn.yield %1 : tensor<2x7xf32>
  }) : (tensor<2x7xf32>) -> tensor<2x7xf32>
  return
}
