// RUN: llmc-opt %s -split-input-file -verify-diagnostics

func.func @f(%w: tensor<12x5xf32>) {
  // expected-error@+1 {{needs four numbers a segment and a positive number of lanes}}
  %0 = nn.align_heads %w lanes 4 segments [1, 2, 3] : tensor<12x5xf32> -> tensor<12x5xf32>
  return
}

// -----

func.func @f(%w: tensor<12x5xf32>) {
  // expected-error@+1 {{needs four numbers a segment and a positive number of lanes}}
  %0 = nn.align_heads %w lanes 0 segments [3, 4, 0, 0] : tensor<12x5xf32> -> tensor<12x5xf32>
  return
}

// -----

func.func @f(%w: tensor<12x5xf32>) {
  // expected-error@+1 {{has a segment of 3 heads of 4 with 6 rotary dimensions}}
  %0 = nn.align_heads %w lanes 4 segments [3, 4, 6, 0] : tensor<12x5xf32> -> tensor<12x5xf32>
  return
}

// -----

func.func @f(%w: tensor<12x5xf32>) {
  // expected-error@+1 {{has a result of type 'tensor<13x5xf32>', expected 'tensor<12x5xf32>'}}
  %0 = nn.align_heads %w lanes 4 segments [3, 4, 0, 0] : tensor<12x5xf32> -> tensor<13x5xf32>
  return
}

// -----

func.func @f(%w: tensor<12x5xf32>) {
  // expected-error@+1 {{has segments of 8 rows in all, but an input with 12}}
  %0 = nn.align_heads %w lanes 4 segments [2, 4, 0, 0] : tensor<12x5xf32> -> tensor<8x5xf32>
  return
}
