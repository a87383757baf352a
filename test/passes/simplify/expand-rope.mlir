// RUN: llmc-opt %s --verify-numerics --nn-expand-rope | FileCheck %s

// Query and key share a table; a rotation by other angles has its own.
// CHECK-LABEL: func.func @layer
// CHECK:         %[[T:.+]] = nn.rope_table %[[P:.+]] dims 8 theta 1.000000e+04 : tensor<?xi32> -> tensor<?x8xf32>
// CHECK:         nn.rotate %{{.+}} by %[[T]] heads 5 half
// CHECK:         nn.rotate %{{.+}} by %[[T]] heads 1 half
// CHECK:         %[[S:.+]] = nn.rope_table %[[P]] dims 8 theta 1.000000e+04 scaling <linear, factor = 4.000000e+00 : f64>
// CHECK:         nn.rotate %{{.+}} by %[[S]] heads 5 interleaved
// CHECK-NOT:     nn.rope %
func.func @layer(%q: tensor<?x80xf32>, %k: tensor<?x16xf32>, %positions: tensor<?xi32>)
    -> (tensor<?x80xf32>, tensor<?x16xf32>, tensor<?x80xf32>) {
  %0 = nn.rope %q at %positions heads 5 dims 8 theta 1.0e4 half : tensor<?x80xf32>, tensor<?xi32>
  %1 = nn.rope %k at %positions heads 1 dims 8 theta 1.0e4 half : tensor<?x16xf32>, tensor<?xi32>
  %2 = nn.rope %q at %positions heads 5 dims 8 theta 1.0e4 interleaved scaling <linear, factor = 4.0 : f64>
         : tensor<?x80xf32>, tensor<?xi32>
  return %0, %1, %2 : tensor<?x80xf32>, tensor<?x16xf32>, tensor<?x80xf32>
}

// Angles keep their precision.
// CHECK-LABEL: func.func @brain
// CHECK:         nn.rope_table %{{.+}} dims 8 theta 1.000000e+04 : tensor<?xi32> -> tensor<?x8xf32>
// CHECK:         nn.rotate %{{.+}} by %{{.+}} heads 1 half : tensor<?x16xbf16>, tensor<?x8xf32>
func.func @brain(%k: tensor<?x16xbf16>, %positions: tensor<?xi32>) -> tensor<?x16xbf16> {
  %0 = nn.rope %k at %positions heads 1 dims 8 theta 1.0e4 half : tensor<?x16xbf16>, tensor<?xi32>
  return %0 : tensor<?x16xbf16>
}
