#include "runtime/core/CApiState.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <string>

using namespace llmc::runtime::c;
using llmc::text::StreamingDetokenizer;
using llmc::text::Tokenizer;

struct LlmcDetokenizer {
  explicit LlmcDetokenizer(std::shared_ptr<const Tokenizer> tokenizer)
      : tokenizer(std::move(tokenizer)), stream(*this->tokenizer) {}

  std::shared_ptr<const Tokenizer> tokenizer;
  StreamingDetokenizer stream;
  std::string text; ///< what was returned last
};

LlmcStatus llmc_tokenize(const LlmcModel *model, const char *text, size_t length, int32_t flags,
                         int32_t *tokens, size_t capacity, size_t *count) {
  return guarded([&]() -> absl::Status {
    if (absl::Status status = requireNotNull({{"model", model}, {"text", text}, {"count", count}});
        !status.ok())
      return status;
    if (tokens == nullptr && capacity != 0)
      return absl::InvalidArgumentError("argument 'tokens' is null");
    absl::StatusOr<std::shared_ptr<const Tokenizer>> tokenizer = model->tokenizer();
    if (!tokenizer.ok())
      return tokenizer.status();
    absl::StatusOr<std::vector<int32_t>> ids =
        (*tokenizer)
            ->encode(absl::string_view(text, length),
                     {.addSpecialTokens = (flags & LLMC_TOKENIZE_ADD_SPECIAL) != 0,
                      .parseSpecial = (flags & LLMC_TOKENIZE_PARSE_SPECIAL) != 0});
    if (!ids.ok())
      return ids.status();
    *count = ids->size();
    if (ids->size() > capacity)
      return absl::OutOfRangeError(
          absl::StrCat("the text has ", ids->size(), " tokens, but there is room for ", capacity));
    std::copy(ids->begin(), ids->end(), tokens);
    return absl::OkStatus();
  });
}

LlmcStatus llmc_detokenizer_create(const LlmcModel *model, LlmcDetokenizer **detokenizer) {
  return guarded([&]() -> absl::Status {
    if (absl::Status status = requireNotNull({{"model", model}, {"detokenizer", detokenizer}}); !status.ok())
      return status;
    *detokenizer = nullptr;
    absl::StatusOr<std::shared_ptr<const Tokenizer>> tokenizer = model->tokenizer();
    if (tokenizer.ok())
      *detokenizer = new LlmcDetokenizer(*std::move(tokenizer));
    return tokenizer.status();
  });
}

LlmcStatus llmc_detokenizer_push(LlmcDetokenizer *detokenizer, int32_t token, const char **text) {
  return guarded([&]() -> absl::Status {
    if (absl::Status status = requireNotNull({{"detokenizer", detokenizer}, {"text", text}}); !status.ok())
      return status;
    detokenizer->text = detokenizer->stream.push(token);
    *text = detokenizer->text.c_str();
    return absl::OkStatus();
  });
}

LlmcStatus llmc_detokenizer_finish(LlmcDetokenizer *detokenizer, const char **text) {
  return guarded([&]() -> absl::Status {
    if (absl::Status status = requireNotNull({{"detokenizer", detokenizer}, {"text", text}}); !status.ok())
      return status;
    detokenizer->text = detokenizer->stream.finish();
    *text = detokenizer->text.c_str();
    return absl::OkStatus();
  });
}

void llmc_detokenizer_free(LlmcDetokenizer *detokenizer) { delete detokenizer; }
