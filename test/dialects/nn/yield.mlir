// RUN: llmc-opt %s | llmc-opt | FileCheck %s

// Ends the initializer of a parameter.
nn.param @w : tensor<2xf32> = {
  %0 = arith.constant dense<1.0> : tensor<2xf32>
// CHECK: nn.yield %{{.*}} : tensor<2xf32>
  nn.yield %0 : tensor<2xf32>
}

// Ends the body of a fusion, with as many values as it has results.
func.func @f(%x: tensor<?x7xf32>) -> (tensor<?x7xf32>, tensor<?x7xf32>) {
  %0:2 = nn.fusion(%a = %x) : (tensor<?x7xf32>) -> (tensor<?x7xf32>, tensor<?x7xf32>) {
    %1 = nn.silu %a : tensor<?x7xf32>
    %2 = nn.relu %a : tensor<?x7xf32>
// CHECK: nn.yield %{{.*}}, %{{.*}} : tensor<?x7xf32>, tensor<?x7xf32>
    nn.yield %1, %2 : tensor<?x7xf32>, tensor<?x7xf32>
  }
  return %0#0, %0#1 : tensor<?x7xf32>, tensor<?x7xf32>
}
