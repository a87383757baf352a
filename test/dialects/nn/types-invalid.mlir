// RUN: llmc-opt %s -split-input-file -verify-diagnostics

// expected-error@+1 {{a kv_cache has two sizes, heads and head size, but 1 are given}}
func.func private @f(!nn.kv_cache<3xf32>)

// -----

// expected-error@+1 {{a kv_cache needs positive sizes, but has 0 heads of 4}}
func.func private @f(!nn.kv_cache<0x4xf32>)

// -----

// expected-error@+1 {{a kv_cache holds floating-point or block-quantized elements, not 'i32'}}
func.func private @f(!nn.kv_cache<3x4xi32>)

// -----

// expected-error@+1 {{a kv_cache has heads of 48, which is not a multiple of the 32 elements of a q8_0 block}}
func.func private @f(!nn.kv_cache<3x48x!nn.block<q8_0>>)
