#include "train/TextSampler.h"

#include "runtime/core/ArtifactText.h"
#include "runtime/core/Sampler.h"
#include "train/StepInputs.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <numeric>

namespace llmc::train {

static constexpr char kStep[] = "sample";

absl::StatusOr<TextSampler> TextSampler::create(Program &program, const Run &run) {
  if (!program.hasStep(kStep))
    return absl::InvalidArgumentError("run.samples is there, expected a recipe with it");
  absl::StatusOr<std::unique_ptr<text::Tokenizer>> tokenizer = runtime::loadTokenizer(program.manifest());
  if (!tokenizer.ok())
    return absl::InvalidArgumentError("run.samples needs a tokenizer, expected a trainer that has one");
  TextSampler samples(program, run, *std::move(tokenizer));
  absl::StatusOr<std::vector<int32_t>> prompt = samples.tokenizer->encode(run.samples().prompt());
  if (!prompt.ok())
    return prompt.status();
  samples.prompt = *std::move(prompt);
  if (samples.prompt.empty() && samples.tokenizer->bosId())
    samples.prompt.push_back(*samples.tokenizer->bosId());
  const size_t length = program.training().length();
  if (samples.prompt.empty())
    return absl::InvalidArgumentError(
        "run.samples.prompt is empty, expected some text: the tokenizer has no token that texts begin with");
  if (samples.prompt.size() >= length)
    return absl::InvalidArgumentError(absl::StrCat("run.samples.prompt has ", samples.prompt.size(),
                                                   " tokens, expected less than the ", length,
                                                   " of a sequence"));
  return samples;
}

absl::StatusOr<std::string> TextSampler::write(uint64_t number) {
  const size_t length = program.training().length();
  Batch batch;
  batch.tokens = prompt;
  batch.tokens.resize(length, prompt.front()); // nothing sees what is behind it
  batch.positions.resize(length);
  std::iota(batch.positions.begin(), batch.positions.end(), 0);
  batch.segments.assign(length, 0);
  batch.targets.assign(length, -1);
  runtime::SamplingOptions options;
  options.temperature = static_cast<float>(run.samples().temperature());
  options.seed = run.seed();
  options.text = static_cast<uint32_t>(number);
  runtime::Sampler sampler(options);
  const int64_t vocabulary = program.manifest().vocabulary_size();
  size_t count = prompt.size();
  const size_t end = std::min(length, count + run.samples().tokens());
  while (count < end) {
    setInputs(program, kStep, batch);
    program.operand<int32_t>(kStep, "output_ids")[0] = static_cast<int32_t>(count - 1);
    if (absl::Status status = program.run(kStep); !status.ok())
      return status;
    const float *outputs = program.operand<float>(kStep, "outputs");
    absl::StatusOr<int32_t> token = sampler.sample(absl::MakeConstSpan(outputs, vocabulary),
                                                   absl::MakeConstSpan(batch.tokens).first(count));
    if (!token.ok())
      return token.status();
    if (tokenizer->isStop(*token))
      break;
    batch.tokens[count++] = *token;
  }
  return tokenizer->decode(absl::MakeConstSpan(batch.tokens).first(count));
}

} // namespace llmc::train
