//===- GenerationDefaults.h - what a checkpoint recommends, as an artifact says it ----------------------===//
#ifndef LLMC_CODEGEN_COMPILER_GENERATIONDEFAULTS_H
#define LLMC_CODEGEN_COMPILER_GENERATIONDEFAULTS_H

#include "frontend/import/Import.h"
#include "runtime/core/artifact.pb.h"

namespace llmc::codegen {

/// How the files of a model say that text should be sampled, and the tokens that end it. Greedy becomes a
/// temperature of 0.
runtime::GenerationDefaults generationDefaults(const frontend::ModelInfo &info);

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_COMPILER_GENERATIONDEFAULTS_H
