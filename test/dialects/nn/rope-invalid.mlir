// RUN: llmc-opt %s -split-input-file -verify-diagnostics

func.func @f(%x: tensor<2x24xf32>, %p: tensor<2xi32>) {
  // expected-error@+1 {{has an input of width 24, which is not a multiple of its 5 heads}}
  %0 = nn.rope %x at %p heads 5 dims 4 theta 1.0e4 half : tensor<2x24xf32>, tensor<2xi32>
  return
}

// -----

func.func @f(%x: tensor<2x24xf32>, %p: tensor<2xi32>) {
  // expected-error@+1 {{has an input of width 24, which is not a multiple of its 0 heads}}
  %0 = nn.rope %x at %p heads 0 dims 4 theta 1.0e4 half : tensor<2x24xf32>, tensor<2xi32>
  return
}

// -----

func.func @f(%x: tensor<2x24xf32>, %p: tensor<2xi32>) {
  // expected-error@+1 {{rotates 5 dimensions, expected a positive even number}}
  %0 = nn.rope %x at %p heads 3 dims 5 theta 1.0e4 half : tensor<2x24xf32>, tensor<2xi32>
  return
}

// -----

func.func @f(%x: tensor<2x24xf32>, %p: tensor<2xi32>) {
  // expected-error@+1 {{rotates 10 dimensions of heads of 8}}
  %0 = nn.rope %x at %p heads 3 dims 10 theta 1.0e4 half : tensor<2x24xf32>, tensor<2xi32>
  return
}

// -----

func.func @f(%x: tensor<2x24xf32>, %p: tensor<2xi32>) {
  // expected-error@+1 {{needs a positive theta}}
  %0 = nn.rope %x at %p heads 3 dims 8 theta 0.0 half : tensor<2x24xf32>, tensor<2xi32>
  return
}

// -----

func.func @f(%x: tensor<2x24xf32>, %p: tensor<3xi32>) {
  // expected-error@+1 {{has 2 rows but 3 positions}}
  %0 = nn.rope %x at %p heads 3 dims 8 theta 1.0e4 half : tensor<2x24xf32>, tensor<3xi32>
  return
}

// -----

func.func @f(%x: tensor<2x24xf32>, %p: tensor<2xi32>) {
  // expected-error@+1 {{has 3 frequency factors for 4 pairs}}
  %0 = nn.rope %x at %p heads 3 dims 8 theta 1.0e4 half scaling <factors, factors = [1.0, 2.0, 3.0]> : tensor<2x24xf32>, tensor<2xi32>
  return
}

// -----

func.func @f(%x: tensor<2x24xf32>, %p: tensor<2xi32>) {
  // expected-error@+1 {{needs a positive scaling factor}}
  %0 = nn.rope %x at %p heads 3 dims 8 theta 1.0e4 half scaling <linear, factor = -1.0 : f64> : tensor<2x24xf32>, tensor<2xi32>
  return
}

// -----

func.func @f(%x: tensor<2x24xf32>, %p: tensor<2xi32>) {
  // expected-error@+1 {{needs the trained context for its scaling}}
  %0 = nn.rope %x at %p heads 3 dims 8 theta 1.0e4 half scaling <yarn, factor = 2.0 : f64> : tensor<2x24xf32>, tensor<2xi32>
  return
}

// -----

func.func @f(%x: tensor<2x24xf32>, %p: tensor<2xi32>) {
  // expected-error@+1 {{needs low and high frequency factors that differ}}
  %0 = nn.rope %x at %p heads 3 dims 8 theta 1.0e4 half scaling <llama3, factor = 2.0 : f64, trained_context = 64 : i64> : tensor<2x24xf32>, tensor<2xi32>
  return
}
