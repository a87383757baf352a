// RUN: llmc-opt %s | llmc-opt | FileCheck %s

// CHECK: nn.param @plain : tensor<3x5xf32>
nn.param @plain : tensor<3x5xf32>
// CHECK: nn.param @ids : tensor<3xi32>
nn.param @ids : tensor<3xi32>
// CHECK: nn.param @blocks : tensor<2x64x!nn.block<q4_1>> from "blk.0.attn_q.weight"
nn.param @blocks : tensor<2x64x!nn.block<q4_1>> from "blk.0.attn_q.weight"
// CHECK: nn.param @derived : tensor<6x5xf32> =
nn.param @derived : tensor<6x5xf32> = {
// CHECK: %{{.*}} = nn.load @plain : tensor<3x5xf32>
  %0 = nn.load @plain : tensor<3x5xf32>
// CHECK: %{{.*}} = nn.concat %{{.*}}, %{{.*}} : tensor<3x5xf32>, tensor<3x5xf32> -> tensor<6x5xf32>
  %1 = nn.concat %0, %0 : tensor<3x5xf32>, tensor<3x5xf32> -> tensor<6x5xf32>
// CHECK: nn.yield %{{.*}} : tensor<6x5xf32>
  nn.yield %1 : tensor<6x5xf32>
}
// CHECK: nn.param @noted : tensor<3xf32> attributes {note = "text"}
nn.param @noted : tensor<3xf32> attributes {note = "text"}
