//===- Phi3.cpp - Phi-3, Phi-3.5, Phi-4 --------------------------------------------------------------===//
//
// The gated decoder with merged weights, whose heads may rotate in part, with a sliding window (Abdin et al.,
// 2024).
//
//===------------------------------------------------------------------------------------------------===//

#include "absl/strings/str_cat.h"
#include "frontend/import/GatedDecoder.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::frontend;

namespace {

std::optional<int64_t> readWindow(Hyperparameters &fields) {
  constexpr Name window = {"sliding_window", "attention.sliding_window"};
  // In GGUF files 0 stands for none.
  const bool isNone = fields.format() == Format::Gguf && fields.integerOr(window, 0, 0, INT64_MAX) == 0;
  if (isNone || !fields.has(window))
    return {};
  return fields.size(window).value;
}

absl::StatusOr<Graph> buildPhi3(Checkpoint &checkpoint, MLIRContext *context) {
  Hyperparameters fields = checkpoint.hyperparameters();
  GatedDecoder decoder =
      readGatedDecoder(checkpoint, fields, {.rope = {.part = RotaryPart::MayBePart}}, context);
  decoder.attention.window = readWindow(fields);
  decoder.mergedWeights = true;
  fields.expect({"attention_bias", ""}, {false});
  if (checkpoint.find("rope_factors_long.weight"))
    fields.fail(absl::InvalidArgumentError(absl::StrCat(
        checkpoint.path(), ": tensor 'rope_factors_long.weight' is of the rope scaling longrope, "
                           "which is not supported")));
  return buildGatedDecoder(checkpoint, fields, decoder, context);
}

constexpr llvm::StringLiteral kHuggingFace[] = {"Phi3ForCausalLM"};
constexpr llvm::StringLiteral kGguf[] = {"phi3"};

} // namespace

const Family llmc::frontend::kPhi3 = {"phi3", ModelKind::Generate, kHuggingFace, kGguf, buildPhi3};
