#include "codegen/compiler/GenerationDefaults.h"

#include "runtime/text/tokenizer.pb.h"

namespace llmc::codegen {

/// Of models with an encoder and a decoder.
static void describeSearch(const frontend::SamplingDefaults &sampling,
                           runtime::GenerationDefaults &defaults) {
  using EarlyStopping = frontend::SamplingDefaults::EarlyStopping;
  if (sampling.beams)
    defaults.set_beams(static_cast<uint32_t>(*sampling.beams));
  if (sampling.lengthPenalty)
    defaults.set_length_penalty(static_cast<float>(*sampling.lengthPenalty));
  if (sampling.earlyStopping != EarlyStopping::No)
    defaults.set_early_stopping(sampling.earlyStopping == EarlyStopping::Yes
                                    ? runtime::GenerationDefaults::YES
                                    : runtime::GenerationDefaults::NEVER);
  for (int64_t id : sampling.suppressed)
    defaults.add_suppressed_ids(static_cast<uint32_t>(id));
  if (sampling.first)
    defaults.set_first_id(static_cast<uint32_t>(*sampling.first));
  if (sampling.last)
    defaults.set_last_id(static_cast<uint32_t>(*sampling.last));
  defaults.set_no_repeat(static_cast<uint32_t>(sampling.noRepeat));
  defaults.set_min_tokens(static_cast<uint32_t>(sampling.minTokens));
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
    describeSearch(sampling, defaults);
  return defaults;
}

} // namespace llmc::codegen
