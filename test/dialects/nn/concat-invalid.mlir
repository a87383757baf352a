// RUN: llmc-opt %s -split-input-file -verify-diagnostics

func.func @f() {
  // expected-error@+1 {{needs at least one input}}
  %0 = "nn.concat"() : () -> tensor<3x3xf32>
  return
}

// -----

func.func @f(%a: tensor<2x3xf32>, %b: tensor<1x4xf32>, %c: tensor<?x3xf32>, %d: tensor<f32>) {
  // expected-error@+1 {{has an input of type 'tensor<1x4xf32>' that differs from the first input's type 'tensor<2x3xf32>' in more than the first dimension}}
  %0 = nn.concat %a, %b : tensor<2x3xf32>, tensor<1x4xf32> -> tensor<3x3xf32>
  return
}

// -----

func.func @f(%a: tensor<2x3xf32>, %b: tensor<1x4xf32>, %c: tensor<?x3xf32>, %d: tensor<f32>) {
  // expected-error@+1 {{needs inputs with a known first dimension}}
  %0 = nn.concat %a, %c : tensor<2x3xf32>, tensor<?x3xf32> -> tensor<?x3xf32>
  return
}

// -----

func.func @f(%a: tensor<2x3xf32>, %b: tensor<1x4xf32>, %c: tensor<?x3xf32>, %d: tensor<f32>) {
  // expected-error@+1 {{has a result of type 'tensor<5x3xf32>', expected 'tensor<4x3xf32>'}}
  %0 = nn.concat %a, %a : tensor<2x3xf32>, tensor<2x3xf32> -> tensor<5x3xf32>
  return
}

// -----

func.func @f(%a: tensor<2x3xf32>, %b: tensor<1x4xf32>, %c: tensor<?x3xf32>, %d: tensor<f32>) {
  // expected-error@+1 {{needs tensors with at least one dimension}}
  %0 = nn.concat %d, %d : tensor<f32>, tensor<f32> -> tensor<f32>
  return
}
