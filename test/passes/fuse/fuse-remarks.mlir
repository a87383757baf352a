// RUN: llmc-opt %s --nn-fuse --remarks-filter=nn-fuse --remark-format=emitRemark -o /dev/null 2>&1 | FileCheck %s

// CHECK: [Missed]{{.*}}"the result of nn.rms_norm is read more than once"
// CHECK: [Passed]{{.*}}"one kernel: nn.linear, arith.addf"
func.func @f(%x: tensor<?x64xf32>, %g: tensor<64xf32>, %w: tensor<64x64xf32>) -> tensor<?x64xf32> {
  %n = nn.rms_norm %x, %g epsilon 1.0e-5 : tensor<?x64xf32>, tensor<64xf32>
  %y = nn.linear %n, %w : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
  %r = arith.addf %n, %y : tensor<?x64xf32>
  return %r : tensor<?x64xf32>
}
