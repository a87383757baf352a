//===- TextSampler.h - texts of a model that is being trained -------------------------------------------------===//
#ifndef LLMC_TRAIN_TEXTSAMPLER_H
#define LLMC_TRAIN_TEXTSAMPLER_H

#include "runtime/text/Tokenizer.h"
#include "train/Program.h"
#include "train/recipe.pb.h"

#include <memory>
#include <string>
#include <vector>

namespace llmc::train {

/// Writes texts with the step `sample`, which computes a whole sequence for each token.
class TextSampler {
public:
  /// Of a program whose recipe has samples. Refuses a prompt that leaves no room in a sequence, and none
  /// where the tokenizer has no token that texts begin with.
  static absl::StatusOr<TextSampler> create(Program &program, const Run &run);

  /// The prompt and what the parameters of now make follow it. Draws depend on the run's seed and on `number`
  /// only.
  absl::StatusOr<std::string> write(uint64_t number);

private:
  TextSampler(Program &program, const Run &run, std::unique_ptr<text::Tokenizer> tokenizer)
      : program(program), run(run), tokenizer(std::move(tokenizer)) {}

  Program &program;
  const Run &run;
  std::unique_ptr<text::Tokenizer> tokenizer;
  std::vector<int32_t> prompt;
};

} // namespace llmc::train

#endif // LLMC_TRAIN_TEXTSAMPLER_H
