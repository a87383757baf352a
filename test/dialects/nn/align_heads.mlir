// RUN: llmc-opt %s | llmc-opt | FileCheck %s

// CHECK: nn.param @w : tensor<12x5xf32>
nn.param @w : tensor<12x5xf32>
// CHECK: nn.param @a : tensor<16x5xf32> =
nn.param @a : tensor<16x5xf32> = {
// CHECK: %{{.*}} = nn.load @w : tensor<12x5xf32>
  %0 = nn.load @w : tensor<12x5xf32>
// CHECK: %{{.*}} = nn.align_heads %{{.*}} lanes 4 segments [1, 6, 4, 1, 2, 3, 0, 0] : tensor<12x5xf32> -> tensor<20x5xf32>
  %1 = nn.align_heads %0 lanes 4 segments [1, 6, 4, 1, 2, 3, 0, 0] : tensor<12x5xf32> -> tensor<20x5xf32>
// CHECK: %{{.*}} = nn.align_heads %{{.*}} lanes 2 segments [1, 6, 4, 1, 2, 3, 0, 0] : tensor<12x5xf32> -> tensor<14x5xf32>
  %2 = nn.align_heads %0 lanes 2 segments [1, 6, 4, 1, 2, 3, 0, 0] : tensor<12x5xf32> -> tensor<14x5xf32>
// CHECK: %{{.*}} = nn.align_heads %{{.*}} lanes 4 segments [3, 4, 4, 0] : tensor<12x5xf32> -> tensor<24x5xf32>
  %3 = nn.align_heads %0 lanes 4 segments [3, 4, 4, 0] : tensor<12x5xf32> -> tensor<24x5xf32>
// CHECK: %{{.*}} = nn.align_heads %{{.*}} lanes 4 segments [3, 4, 0, 0] : tensor<12x5xf32> -> tensor<12x5xf32>
  %4 = nn.align_heads %0 lanes 4 segments [3, 4, 0, 0] : tensor<12x5xf32> -> tensor<12x5xf32>
// CHECK: %{{.*}} = nn.align_heads %{{.*}} lanes 8 segments [1, 6, 0, 0, 1, 6, 0, 0] : tensor<12x5xf32> -> tensor<16x5xf32>
  %5 = nn.align_heads %0 lanes 8 segments [1, 6, 0, 0, 1, 6, 0, 0] : tensor<12x5xf32> -> tensor<16x5xf32>
// CHECK: nn.yield %{{.*}} : tensor<16x5xf32>
  nn.yield %5 : tensor<16x5xf32>
}
