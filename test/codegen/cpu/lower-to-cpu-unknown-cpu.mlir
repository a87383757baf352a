// RUN: not llmc-opt %s --lower-to-cpu=target-cpu=z80 2>&1 | FileCheck %s

// CHECK: unknown processor 'z80', the closest names are {{.*}}; llmc compile --list-cpus prints all
module {}
