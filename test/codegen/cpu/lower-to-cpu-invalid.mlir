// What can not be lowered is refused where it stands.
// RUN: llmc-opt %s --split-input-file --verify-diagnostics --lower-to-cpu="target-cpu=x86-64-v3 max-rows=8"

// expected-error@below {{has 2 public functions, expected one: the forward pass}}
module {
  func.func @one() {
    return
  }
  func.func @two() {
    return
  }
}

// -----

nn.param @table : tensor<37x16xf32>
// expected-error@below {{has argument 0 without a known nn.input: expected tokens, positions, token_types or output_ids}}
func.func @forward(%mask: tensor<?xi32> {nn.input = "mask"}) -> tensor<?x16xf32> {
  %table = nn.load @table : tensor<37x16xf32>
  %x = nn.embedding %mask, %table : tensor<?xi32>, tensor<37x16xf32> -> tensor<?x16xf32>
  return %x : tensor<?x16xf32>
}

// -----

// expected-error@below {{is a step and needs a result of type tensor<?xWIDTHxf32>}}
func.func @forward(%tokens: tensor<?xi32> {nn.input = "tokens"}) -> tensor<?xi32> {
  return %tokens : tensor<?xi32>
}

// -----

nn.param @table : tensor<37x16xf32>
nn.param @norm : tensor<4xf32>
func.func @forward(%tokens: tensor<?xi32> {nn.input = "tokens"}) -> tensor<?x16xf32> {
  %table = nn.load @table : tensor<37x16xf32>
  %x = nn.embedding %tokens, %table : tensor<?xi32>, tensor<37x16xf32> -> tensor<?x16xf32>
  %norm = nn.load @norm : tensor<4xf32>
  // expected-error@below {{over groups is not supported by the CPU code generator}}
  %y = nn.rms_norm %x, %norm epsilon 1.0e-5 : tensor<?x16xf32>, tensor<4xf32>
  return %y : tensor<?x16xf32>
}

// -----

nn.param @table : tensor<37x16xf16>
func.func @forward(%tokens: tensor<?xi32> {nn.input = "tokens"}) -> tensor<?x16xf32> {
  %table = nn.load @table : tensor<37x16xf16>
  // expected-error@below {{no kernel reads parameters of type 'tensor<37x16xf16>': expected two dimensions of f32, bf16 or !nn.block elements}}
  %x = nn.embedding %tokens, %table : tensor<?xi32>, tensor<37x16xf16> -> tensor<?x16xf32>
  return %x : tensor<?x16xf32>
}

// -----

nn.param @table : tensor<37x16xf32>
// expected-error@below {{has a value of type 'tensor<?x?xf32>', which the CPU code generator does not support}}
func.func @forward(%tokens: tensor<?xi32> {nn.input = "tokens"},
                   %x: tensor<?x?xf32>) -> tensor<?x16xf32> {
  %table = nn.load @table : tensor<37x16xf32>
  %y = nn.embedding %tokens, %table : tensor<?xi32>, tensor<37x16xf32> -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}
