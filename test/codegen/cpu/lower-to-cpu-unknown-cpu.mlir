// RUN: not llmc-opt %s --lower-to-cpu=target-cpu=z80 2>&1 | FileCheck %s

// CHECK: unknown processor 'z80', expected native or one of: {{.*}} znver4
module {}
