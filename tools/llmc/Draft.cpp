#include "tools/llmc/Draft.h"

#include "runtime/io/Message.h"

#include "absl/strings/str_cat.h"

namespace llmc::tool {

/// OK, or the first token that differs.
static absl::Status checkSameTokens(const text::Tokenizer &model, const text::Tokenizer &draft) {
  if (model.vocabularySize() != draft.vocabularySize())
    return absl::InvalidArgumentError(absl::StrCat("the draft's tokenizer has ", draft.vocabularySize(),
                                                   " tokens, expected the ", model.vocabularySize(),
                                                   " of the model"));
  for (int32_t id = 0; static_cast<size_t>(id) < model.vocabularySize(); ++id)
    if (model.tokenText(id) != draft.tokenText(id))
      return absl::InvalidArgumentError(
          absl::StrCat("the draft's token ", id, " is ", io::quote(draft.tokenText(id)),
                       ", expected that of the model, ", io::quote(model.tokenText(id))));
  return absl::OkStatus();
}

Model loadDraft(const RunOptions &options, const text::Tokenizer &tokenizer,
                std::shared_ptr<runtime::Team> team, ExitCode &code) {
  ModelOptions draftOptions = options.model;
  draftOptions.path = *options.draft;
  draftOptions.adapter.clear(); // the draft is another model, and only proposes
  Model draft = loadModel(draftOptions, runtime::GENERATE, code, std::move(team));
  if (!draft.artifact)
    return draft;
  if (absl::Status status = checkSameTokens(tokenizer, *draft.tokenizer); !status.ok()) {
    code = fail(io::withContext(*options.draft, status));
    return {};
  }
  return draft;
}

} // namespace llmc::tool
