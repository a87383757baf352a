// Where the reference semantics end, checking ends, which is said once; passes need no bound from there on.
// RUN: llmc-opt %s -verify-diagnostics --load-pass-plugin=%build/lib/Miscompile.so --verify-numerics --pass-pipeline="builtin.module(canonicalize,miscompile-unbounded,convert-func-to-llvm,cse)" -o /dev/null

// expected-remark@+1 {{numerics of @f are not verified from pass 'canonicalize' on: 'math.tan' has no reference semantics}}
func.func @f(%x: tensor<3xf32>) -> tensor<3xf32> {
  %0 = math.tan %x : tensor<3xf32>
  return %0 : tensor<3xf32>
}
