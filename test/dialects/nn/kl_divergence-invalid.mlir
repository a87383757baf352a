// RUN: llmc-opt %s -split-input-file -verify-diagnostics

func.func @f(%x: tensor<5x9xf32>, %t: tensor<5x8xf32>) {
  // expected-error@+1 {{has logits of width 9 but a teacher's of width 8}}
  %0 = nn.kl_divergence %x, %t : tensor<5x9xf32>, tensor<5x8xf32> -> tensor<5x1xf32>
  return
}

// -----

func.func @f(%x: tensor<5x9xf32>, %t: tensor<4x9xf32>) {
  // expected-error@+1 {{has 5 rows of logits but 4 rows of the teacher's}}
  %0 = nn.kl_divergence %x, %t : tensor<5x9xf32>, tensor<4x9xf32> -> tensor<5x1xf32>
  return
}
