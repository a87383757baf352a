//===- ConfigJson.h - a description as config.json ---------------------------------------------------===//
#ifndef LLMC_FRONTEND_IMPORT_CONFIGJSON_H
#define LLMC_FRONTEND_IMPORT_CONFIGJSON_H

#include "frontend/import/Description.h"
#include "runtime/text/tokenizer.pb.h"

#include <nlohmann/json.hpp>

namespace llmc::frontend {

/// The config.json of a model with a description for Hugging Face files. `torchType` is how PyTorch calls the
/// type of its tensors: "float32".
nlohmann::ordered_json configJson(const Description &description, const text::TokenizerModel &tokenizer,
                                  const char *torchType);

/// The shortest decimal number that is `value` in f32, where that is all that `value` is: GGUF holds numbers
/// in f32, and 1e-5 is to be read as such.
double shortestDecimal(double value);

} // namespace llmc::frontend

#endif // LLMC_FRONTEND_IMPORT_CONFIGJSON_H
