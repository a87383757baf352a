//===- EncoderDescription.h - what becomes of an encoder's rows ------------------------------------------===//
#ifndef LLMC_CODEGEN_COMPILER_ENCODERDESCRIPTION_H
#define LLMC_CODEGEN_COMPILER_ENCODERDESCRIPTION_H

#include "frontend/import/ModelInfo.h"
#include "runtime/core/artifact.pb.h"

namespace llmc::codegen {

/// What `pooling` is called in artifacts.
runtime::Pooling describePooling(const frontend::Pooling &pooling);

/// What `head` is called in artifacts.
runtime::Head describeHead(const frontend::Head &head);

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_COMPILER_ENCODERDESCRIPTION_H
