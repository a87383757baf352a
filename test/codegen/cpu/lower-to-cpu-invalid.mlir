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
// expected-error@below {{has argument 0 without a known nn.input: expected tokens, positions, token_types, source_ends, adapters or output_ids}}
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
  // expected-error@below {{over groups of 4 elements is not supported here by the CPU code generator, whose vectors have 8: expected groups of whole vectors, or heads between a product and attention}}
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

// -----

nn.param @table : tensor<37x16xf32>
func.func @forward(%tokens: tensor<?xi32> {nn.input = "tokens"}) -> tensor<?x16xf32> {
  %table = nn.load @table : tensor<37x16xf32>
  %x = nn.embedding %tokens, %table : tensor<?xi32>, tensor<37x16xf32> -> tensor<?x16xf32>
  // expected-error@below {{'math.powf' op has neither instructions nor a polynomial on vectors of f32}}
  %y = math.powf %x, %x : tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----

nn.param @table : tensor<37x16xf32>
nn.param @weight : tensor<16x16xf32>
func.func @forward(%tokens: tensor<?xi32> {nn.input = "tokens"}) -> tensor<?x16xf32> {
  %table = nn.load @table : tensor<37x16xf32>
  %weight = nn.load @weight : tensor<16x16xf32>
  %x = nn.embedding %tokens, %table : tensor<?xi32>, tensor<37x16xf32> -> tensor<?x16xf32>
  %y = nn.fusion(%a = %x, %b = %weight) : (tensor<?x16xf32>, tensor<16x16xf32>) -> tensor<?x16xf32> {
    %0 = nn.linear %a, %b : tensor<?x16xf32>, tensor<16x16xf32> -> tensor<?x16xf32>
    // expected-error@below {{'arith.remf' op has neither instructions nor a polynomial on vectors of f32}}
    %1 = arith.remf %0, %0 : tensor<?x16xf32>
    nn.yield %1 : tensor<?x16xf32>
  }
  return %y : tensor<?x16xf32>
}

// -----

nn.param @table : tensor<37x16xf32>
nn.param @weight : tensor<16x16xf32>
nn.param @norm : tensor<16xf32>
func.func @forward(%tokens: tensor<?xi32> {nn.input = "tokens"}) -> tensor<?x16xf32> {
  %table = nn.load @table : tensor<37x16xf32>
  %weight = nn.load @weight : tensor<16x16xf32>
  %norm = nn.load @norm : tensor<16xf32>
  %x = nn.embedding %tokens, %table : tensor<?xi32>, tensor<37x16xf32> -> tensor<?x16xf32>
  %y = nn.fusion(%a = %x, %b = %weight, %c = %norm) : (tensor<?x16xf32>, tensor<16x16xf32>, tensor<16xf32>) -> tensor<?x16xf32> {
    %0 = nn.linear %a, %b : tensor<?x16xf32>, tensor<16x16xf32> -> tensor<?x16xf32>
    // expected-error@below {{'nn.rms_norm' op is not supported here by the CPU code generator: expected one that works element by element}}
    %1 = nn.rms_norm %0, %c epsilon 1.0e-5 : tensor<?x16xf32>, tensor<16xf32>
    nn.yield %1 : tensor<?x16xf32>
  }
  return %y : tensor<?x16xf32>
}

// -----

// Parts of a product may be worked on, but what is worked on is not taken apart.
nn.param @table : tensor<37x16xf32>
nn.param @weight : tensor<32x16xf32>
func.func @forward(%tokens: tensor<?xi32> {nn.input = "tokens"}) -> tensor<?x16xf32> {
  %table = nn.load @table : tensor<37x16xf32>
  %weight = nn.load @weight : tensor<32x16xf32>
  %x = nn.embedding %tokens, %table : tensor<?xi32>, tensor<37x16xf32> -> tensor<?x16xf32>
  %y = nn.fusion(%a = %x, %b = %weight) : (tensor<?x16xf32>, tensor<32x16xf32>) -> tensor<?x16xf32> {
    %0 = nn.linear %a, %b : tensor<?x16xf32>, tensor<32x16xf32> -> tensor<?x32xf32>
    %1 = nn.relu %0 : tensor<?x32xf32>
    // expected-error@below {{'nn.split' op is not supported here by the CPU code generator}}
    %2, %3 = nn.split %1 : tensor<?x32xf32> -> tensor<?x16xf32>, tensor<?x16xf32>
    %4 = arith.divf %2, %3 : tensor<?x16xf32>
    nn.yield %4 : tensor<?x16xf32>
  }
  return %y : tensor<?x16xf32>
}

// -----

// Heads of 12 are padded with zeros, of which exp would make ones.
nn.param @table : tensor<37x24xf32>
nn.param @weight : tensor<24x24xf32>
func.func @forward(%tokens: tensor<?xi32> {nn.input = "tokens"}, %positions: tensor<?xi32> {nn.input = "positions"},
                   %cache: !nn.kv_cache<2x12xf32> {nn.input = "cache"}) -> tensor<?x24xf32> {
  %table = nn.load @table : tensor<37x24xf32>
  %weight = nn.load @weight : tensor<24x24xf32>
  %x = nn.embedding %tokens, %table : tensor<?xi32>, tensor<37x24xf32> -> tensor<?x24xf32>
  %q = nn.fusion(%a = %x, %b = %weight) : (tensor<?x24xf32>, tensor<24x24xf32>) -> tensor<?x24xf32> {
    %0 = nn.linear %a, %b : tensor<?x24xf32>, tensor<24x24xf32> -> tensor<?x24xf32>
    // expected-error@below {{'math.exp' op on heads of 12 elements, which are padded, is not supported by the CPU code generator}}
    %1 = math.exp %0 : tensor<?x24xf32>
    nn.yield %1 : tensor<?x24xf32>
  }
  %y = nn.cached_attention %q, %cache at %positions heads 2 kv_heads 2 scale 0.5 causal
         : tensor<?x24xf32>, !nn.kv_cache<2x12xf32>, tensor<?xi32> -> tensor<?x24xf32>
  return %y : tensor<?x24xf32>
}

// -----

// The product does not know that its result becomes heads of 12, between which there is padding.
nn.param @table : tensor<37x24xf32>
nn.param @weight : tensor<24x24xf32>
func.func @forward(%tokens: tensor<?xi32> {nn.input = "tokens"}, %positions: tensor<?xi32> {nn.input = "positions"},
                   %cache: !nn.kv_cache<2x12xf32> {nn.input = "cache"}) -> tensor<?x24xf32> {
  %table = nn.load @table : tensor<37x24xf32>
  %weight = nn.load @weight : tensor<24x24xf32>
  %x = nn.embedding %tokens, %table : tensor<?xi32>, tensor<37x24xf32> -> tensor<?x24xf32>
  %q = nn.fusion(%a = %x, %b = %weight) : (tensor<?x24xf32>, tensor<24x24xf32>) -> tensor<?x24xf32> {
    // expected-error@below {{'nn.linear' op has a result in another layout than what is computed from it}}
    %0 = nn.linear %a, %b : tensor<?x24xf32>, tensor<24x24xf32> -> tensor<?x24xf32>
    %1 = nn.scale %0 by 2.0 : tensor<?x24xf32>
    nn.yield %1 : tensor<?x24xf32>
  }
  %y = nn.cached_attention %q, %cache at %positions heads 2 kv_heads 2 scale 0.5 causal
         : tensor<?x24xf32>, !nn.kv_cache<2x12xf32>, tensor<?xi32> -> tensor<?x24xf32>
  return %y : tensor<?x24xf32>
}

// -----

nn.param @table : tensor<4x16xf32>
func.func @forward(%tokens: tensor<4xi32> {nn.input = "tokens"}) -> tensor<?x16xf32> {
  %table = nn.load @table : tensor<4x16xf32>
  %x = nn.embedding %tokens, %table : tensor<4xi32>, tensor<4x16xf32> -> tensor<4x16xf32>
  // expected-error@below {{reads a parameter of type 'tensor<4x16xf32>' element by element, expected activations}}
  %y = arith.addf %x, %table : tensor<4x16xf32>
  %ids = nn.select_rows %y, %tokens : tensor<4x16xf32>, tensor<4xi32> -> tensor<?x16xf32>
  return %ids : tensor<?x16xf32>
}
