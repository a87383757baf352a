// RUN: llmc-opt %s | llmc-opt | FileCheck %s

// CHECK: nn.param @w : tensor<3x5xbf16>
nn.param @w : tensor<3x5xbf16>
func.func @f() -> tensor<3x5xbf16> {
// CHECK: %{{.*}} = nn.load @w : tensor<3x5xbf16>
  %0 = nn.load @w : tensor<3x5xbf16>
  return %0 : tensor<3x5xbf16>
}
