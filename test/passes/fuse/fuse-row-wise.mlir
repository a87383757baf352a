// RUN: llmc-opt %s --verify-numerics --nn-fuse | FileCheck %s

// The sum of a BERT's embeddings and its norm.
// CHECK-LABEL: func.func @embeddings
// CHECK-COUNT-3: nn.embedding
// CHECK-NEXT:    nn.fusion
// CHECK-NEXT:      arith.addf
// CHECK-NEXT:      arith.addf
// CHECK-NEXT:      nn.layer_norm
// CHECK-NEXT:      nn.yield
func.func @embeddings(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %types: tensor<?xi32>, %words: tensor<97x48xf32>,
                      %places: tensor<32x48xf32>, %kinds: tensor<2x48xf32>, %g: tensor<48xf32>, %b: tensor<48xf32>) -> tensor<?x48xf32> {
  %0 = nn.embedding %tokens, %words : tensor<?xi32>, tensor<97x48xf32> -> tensor<?x48xf32>
  %1 = nn.embedding %types, %kinds : tensor<?xi32>, tensor<2x48xf32> -> tensor<?x48xf32>
  %2 = arith.addf %0, %1 : tensor<?x48xf32>
  %3 = nn.embedding %positions, %places : tensor<?xi32>, tensor<32x48xf32> -> tensor<?x48xf32>
  %4 = arith.addf %2, %3 : tensor<?x48xf32>
  %5 = nn.layer_norm %4, %g bias %b epsilon 1.0e-12 : tensor<?x48xf32>, tensor<48xf32>, tensor<48xf32>
  return %5 : tensor<?x48xf32>
}

// The norms of query and key heads need whole heads, so that they come after the product's kernel.
// CHECK-LABEL: func.func @head_norms
// CHECK:         nn.fusion
// CHECK-NEXT:      nn.linear
// CHECK-NEXT:      nn.split
// CHECK-NEXT:      nn.yield
// CHECK:         nn.fusion
// CHECK-NEXT:      nn.rms_norm
// CHECK-NEXT:      nn.rotate
// CHECK-NEXT:      nn.yield
// CHECK:         nn.fusion
// CHECK-NEXT:      nn.rms_norm
// CHECK-NEXT:      nn.rotate
// CHECK-NEXT:      nn.yield
func.func @head_norms(%x: tensor<?x48xf32>, %w: tensor<80x48xf32>, %g: tensor<16xf32>, %t: tensor<?x16xf32>)
    -> (tensor<?x64xf32>, tensor<?x16xf32>) {
  %y = nn.linear %x, %w : tensor<?x48xf32>, tensor<80x48xf32> -> tensor<?x80xf32>
  %q, %k = nn.split %y : tensor<?x80xf32> -> tensor<?x64xf32>, tensor<?x16xf32>
  %qn = nn.rms_norm %q, %g epsilon 1.0e-6 : tensor<?x64xf32>, tensor<16xf32>
  %kn = nn.rms_norm %k, %g epsilon 1.0e-6 : tensor<?x16xf32>, tensor<16xf32>
  %qr = nn.rotate %qn by %t heads 4 half : tensor<?x64xf32>, tensor<?x16xf32>
  %kr = nn.rotate %kn by %t heads 1 half : tensor<?x16xf32>, tensor<?x16xf32>
  return %qr, %kr : tensor<?x64xf32>, tensor<?x16xf32>
}

// What two products read is normalized and quantized once.
// CHECK-LABEL: func.func @shared_quantized
// CHECK:         %[[H:.+]] = nn.fusion
// CHECK-NEXT:      nn.rms_norm
// CHECK-NEXT:      nn.convert
// CHECK-NEXT:      nn.yield
// CHECK:         nn.linear %[[H]]
// CHECK:         nn.linear %[[H]]
func.func @shared_quantized(%x: tensor<?x256xf32>, %g: tensor<256xf32>, %k: tensor<16x256x!nn.block<q4_k>>,
                            %v: tensor<16x256x!nn.block<q6_k>>) -> (tensor<?x16xf32>, tensor<?x16xf32>) {
  %n = nn.rms_norm %x, %g epsilon 1.0e-5 : tensor<?x256xf32>, tensor<256xf32>
  %h = nn.convert %n : tensor<?x256xf32> -> tensor<?x256x!nn.block<q8_0>>
  %0 = nn.linear %h, %k : tensor<?x256x!nn.block<q8_0>>, tensor<16x256x!nn.block<q4_k>> -> tensor<?x16xf32>
  %1 = nn.linear %h, %v : tensor<?x256x!nn.block<q8_0>>, tensor<16x256x!nn.block<q6_k>> -> tensor<?x16xf32>
  return %0, %1 : tensor<?x16xf32>, tensor<?x16xf32>
}

// Tables, gathers and single operations are kernels of their own; work on parameters is none.
// CHECK-LABEL: func.func @alone
// CHECK-NOT:     nn.fusion
func.func @alone(%x: tensor<?x48xf32>, %positions: tensor<?xi32>, %w: tensor<48x48xf16> {nn.parameter})
    -> (tensor<?x16xf32>, tensor<?x48xf32>, tensor<48x48xbf16>) {
  %t = nn.rope_table %positions dims 16 theta 1.0e4 : tensor<?xi32> -> tensor<?x16xf32>
  %s = nn.silu %x : tensor<?x48xf32>
  %f = nn.convert %w : tensor<48x48xf16> -> tensor<48x48xf32>
  %h = nn.convert %f : tensor<48x48xf32> -> tensor<48x48xbf16>
  return %t, %s, %h : tensor<?x16xf32>, tensor<?x48xf32>, tensor<48x48xbf16>
}
