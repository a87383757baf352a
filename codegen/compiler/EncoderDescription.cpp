//===- EncoderDescription.cpp - what becomes of an encoder's rows ----------------------------------------===//

#include "codegen/compiler/EncoderDescription.h"

namespace llmc::codegen {

runtime::Pooling describePooling(const frontend::Pooling &pooling) {
  using Mode = frontend::Pooling::Mode;
  runtime::Pooling described;
  described.set_method(pooling.mode == Mode::Mean    ? runtime::Pooling::MEAN
                       : pooling.mode == Mode::First ? runtime::Pooling::CLS
                       : pooling.mode == Mode::Max   ? runtime::Pooling::MAX
                       : pooling.mode == Mode::Last  ? runtime::Pooling::LAST
                                                     : runtime::Pooling::WEIGHTED_MEAN);
  described.set_normalize(pooling.normalize);
  return described;
}

runtime::Head describeHead(const frontend::Head &head) {
  using frontend::HeadTask;
  using Problem = frontend::Head::Problem;
  runtime::Head described;
  described.set_task(head.task == HeadTask::MaskedTokens             ? runtime::Head::MASKED_TOKENS
                     : head.task == HeadTask::SequenceClassification ? runtime::Head::SEQUENCE_CLASSIFICATION
                     : head.task == HeadTask::TokenClassification    ? runtime::Head::TOKEN_CLASSIFICATION
                                                                     : runtime::Head::QUESTION_ANSWERING);
  described.set_problem(head.problem == Problem::SingleLabel  ? runtime::Head::SINGLE_LABEL
                        : head.problem == Problem::MultiLabel ? runtime::Head::MULTI_LABEL
                                                              : runtime::Head::REGRESSION);
  for (const std::string &label : head.labels)
    described.add_labels(label);
  described.set_token_types(static_cast<uint32_t>(head.tokenTypes));
  return described;
}

} // namespace llmc::codegen
