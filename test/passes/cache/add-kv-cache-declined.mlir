// Attention that a cache cannot serve stays, and a remark says why.
// RUN: llmc-opt %s --nn-add-kv-cache --remarks-filter=nn-add-kv-cache --remark-format=emitRemark 2>&1 | FileCheck %s

// CHECK: remark: [Missed]{{.*}}"it attends within the segments of packed sequences"
// CHECK: remark: [Missed]{{.*}}"it has a bias that is not one of the distances of its tokens"
// CHECK: remark: [Missed]{{.*}}"its keys belong to another sequence"
// CHECK: remark: [Missed]{{.*}}"its keys and values differ in width"
// CHECK: remark: [Missed]{{.*}}"it is in a nested region"
// CHECK: remark: [Missed]{{.*}}"not all calls of its function are known"

// CHECK-NOT: kv_cache
func.func @packed(%x: tensor<?x32xf32>, %segments: tensor<?xi32>) -> tensor<?x32xf32> {
  %y = nn.attention %x, %x, %x segments %segments : tensor<?xi32> heads 2 kv_heads 2 scale 0.25 causal
         : tensor<?x32xf32>, tensor<?x32xf32>, tensor<?x32xf32> -> tensor<?x32xf32>
  return %y : tensor<?x32xf32>
}

func.func @biased(%x: tensor<?x32xf32>, %bias: tensor<?x?xf32>) -> tensor<?x32xf32> {
  %y = nn.attention %x, %x, %x bias %bias : tensor<?x?xf32> heads 2 kv_heads 2 scale 0.25
         : tensor<?x32xf32>, tensor<?x32xf32>, tensor<?x32xf32> -> tensor<?x32xf32>
  return %y : tensor<?x32xf32>
}

func.func @cross(%x: tensor<?x32xf32>, %encoded: tensor<?x32xf32>) -> tensor<?x32xf32> {
  %keys = nn.relu %encoded : tensor<?x32xf32>
  %y = nn.attention %x, %keys, %keys heads 2 kv_heads 2 scale 0.25
         : tensor<?x32xf32>, tensor<?x32xf32>, tensor<?x32xf32> -> tensor<?x32xf32>
  return %y : tensor<?x32xf32>
}

func.func @latent(%x: tensor<?x32xf32>, %weight: tensor<16x32xf32>) -> tensor<?x16xf32> {
  %values = nn.linear %x, %weight : tensor<?x32xf32>, tensor<16x32xf32> -> tensor<?x16xf32>
  %y = nn.attention %x, %x, %values heads 2 kv_heads 2 scale 0.25 causal
         : tensor<?x32xf32>, tensor<?x32xf32>, tensor<?x16xf32> -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

func.func @repeated(%x: tensor<?x32xf32>, %n: index) -> tensor<?x32xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%h = %x) -> tensor<?x32xf32> {
    %y = nn.attention %h, %h, %h heads 2 kv_heads 2 scale 0.25 causal
           : tensor<?x32xf32>, tensor<?x32xf32>, tensor<?x32xf32> -> tensor<?x32xf32>
    scf.yield %y : tensor<?x32xf32>
  }
  return %r : tensor<?x32xf32>
}

func.func private @recursive(%x: tensor<?x32xf32>) -> tensor<?x32xf32> {
  %0 = call @recursive(%x) : (tensor<?x32xf32>) -> tensor<?x32xf32>
  %y = nn.attention %0, %0, %0 heads 2 kv_heads 2 scale 0.25 causal
         : tensor<?x32xf32>, tensor<?x32xf32>, tensor<?x32xf32> -> tensor<?x32xf32>
  return %y : tensor<?x32xf32>
}
