//===- PoolingDescription.cpp - how an encoder's rows become one vector --------------------------------===//

#include "codegen/compiler/PoolingDescription.h"

namespace llmc::codegen {

runtime::Pooling describePooling(const frontend::Pooling &pooling) {
  using Mode = frontend::Pooling::Mode;
  runtime::Pooling described;
  described.set_method(pooling.mode == Mode::Mean    ? runtime::Pooling::MEAN
                       : pooling.mode == Mode::First ? runtime::Pooling::CLS
                       : pooling.mode == Mode::Max   ? runtime::Pooling::MAX
                                                     : runtime::Pooling::METHOD_UNSPECIFIED);
  described.set_normalize(pooling.normalize);
  return described;
}

} // namespace llmc::codegen
