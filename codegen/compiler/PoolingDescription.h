//===- PoolingDescription.h - how an encoder's rows become one vector ----------------------------------===//
#ifndef LLMC_CODEGEN_COMPILER_POOLINGDESCRIPTION_H
#define LLMC_CODEGEN_COMPILER_POOLINGDESCRIPTION_H

#include "frontend/import/ModelInfo.h"
#include "runtime/core/artifact.pb.h"

namespace llmc::codegen {

/// What `pooling` is called in artifacts.
runtime::Pooling describePooling(const frontend::Pooling &pooling);

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_COMPILER_POOLINGDESCRIPTION_H
