#include "codegen/compiler/GenerationDefaults.h"

#include "runtime/text/tokenizer.pb.h"

namespace llmc::codegen {

/// Of models that read a source: for others nobody means it.
static void recommendBeams(const frontend::SamplingDefaults &sampling, runtime::GenerationDefaults &defaults) {
  using EarlyStopping = frontend::SamplingDefaults::EarlyStopping;
  if (sampling.beams)
    defaults.set_beams(static_cast<uint32_t>(*sampling.beams));
  if (sampling.lengthPenalty)
    defaults.set_length_penalty(static_cast<float>(*sampling.lengthPenalty));
  if (sampling.earlyStopping != EarlyStopping::No)
    defaults.set_early_stopping(sampling.earlyStopping == EarlyStopping::Yes
                                    ? runtime::GenerationDefaults::YES
                                    : runtime::GenerationDefaults::NEVER);
}

runtime::GenerationDefaults generationDefaults(const frontend::ModelInfo &info) {
  const frontend::SamplingDefaults &sampling = info.sampling;
  runtime::GenerationDefaults defaults;
  text::TokenizerModel tokenizer;
  if (tokenizer.ParseFromString(info.tokenizer))
    *defaults.mutable_stop_ids() = tokenizer.stop_ids();
  if (sampling.sample == false)
    defaults.set_temperature(0);
  else if (sampling.temperature)
    defaults.set_temperature(static_cast<float>(*sampling.temperature));
  if (sampling.topK && *sampling.topK >= 0) // a negative number means none
    defaults.set_top_k(*sampling.topK);
  if (sampling.topP)
    defaults.set_top_p(static_cast<float>(*sampling.topP));
  if (sampling.minP)
    defaults.set_min_p(static_cast<float>(*sampling.minP));
  if (sampling.repetitionPenalty)
    defaults.set_repetition_penalty(static_cast<float>(*sampling.repetitionPenalty));
  if (info.startToken)
    recommendBeams(sampling, defaults);
  return defaults;
}

} // namespace llmc::codegen
