#include "runtime/core/ArtifactText.h"
#include "runtime/core/CApiState.h"
#include "runtime/core/Generator.h"
#include "runtime/core/Session.h"
#include "runtime/grammar/GrammarConstraint.h"
#include "runtime/grammar/GrammarReader.h"
#include "runtime/grammar/JsonSchema.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <exception>
#include <memory>
#include <new>
#include <string>

using namespace llmc::runtime;
using namespace llmc::runtime::c;

struct LlmcSession {
  std::unique_ptr<Session> session;
};

struct LlmcGrammar {
  std::shared_ptr<llmc::grammar::GrammarConstraint> constraint;
};

namespace {

/// Tokens that a caller gave; null is fine if there are none.
absl::StatusOr<absl::Span<const int32_t>> tokensOf(const char *name, const int32_t *tokens, size_t count) {
  if (tokens == nullptr && count != 0)
    return absl::InvalidArgumentError(absl::StrCat("argument '", name, "' is null"));
  return absl::MakeConstSpan(tokens, count);
}

absl::StatusOr<GenerationOptions> optionsOf(const LlmcGenerationOptions &options) {
  absl::StatusOr<absl::Span<const int32_t>> stopTokens =
      tokensOf("stop_tokens", options.stop_tokens, options.stop_token_count);
  if (!stopTokens.ok())
    return stopTokens.status();
  GenerationOptions result;
  result.sampling = {.temperature = options.temperature,
                     .topK = options.top_k,
                     .topP = options.top_p,
                     .minP = options.min_p,
                     .repetitionPenalty = options.repetition_penalty,
                     .seed = options.seed};
  result.maxTokens = options.max_tokens;
  result.stopTokens.assign(stopTokens->begin(), stopTokens->end());
  if (options.keep_on_shift != -1)
    result.keepOnShift = options.keep_on_shift;
  if (options.grammar != nullptr)
    result.rules.constraint = options.grammar->constraint;
  if (options.draft != nullptr)
    result.draft = {options.draft->session.get(), options.draft_tokens};
  return result;
}

LlmcFinish finishOf(FinishReason reason) {
  switch (reason) {
  case FinishReason::StopToken:
    return LLMC_FINISH_STOP;
  case FinishReason::MaxTokens:
    return LLMC_FINISH_LENGTH;
  case FinishReason::Context:
    return LLMC_FINISH_CONTEXT;
  case FinishReason::Caller:
    return LLMC_FINISH_CANCELLED;
  }
  return LLMC_FINISH_STOP;
}

LlmcGenerationStats statsOf(const Generation &generation) {
  const GenerationStats &stats = generation.stats;
  return {.finish = finishOf(generation.reason),
          .prompt_tokens = stats.promptTokens,
          .reused_tokens = stats.reusedTokens,
          .prompt_seconds = stats.promptSeconds,
          .first_token_seconds = stats.firstTokenSeconds,
          .decoded_tokens = stats.decodedTokens,
          .decode_seconds = stats.decodeSeconds,
          .shifts = stats.shifts,
          .proposed_tokens = stats.proposedTokens,
          .accepted_tokens = stats.acceptedTokens,
          .peak_resident_bytes = stats.peakResidentBytes};
}

} // namespace

LlmcStatus llmc_model_load(const char *path, LlmcModel **model) {
  return guarded([&]() -> absl::Status {
    if (absl::Status status = requireNotNull({{"path", path}, {"model", model}}); !status.ok())
      return status;
    *model = nullptr;
    absl::StatusOr<std::shared_ptr<const Artifact>> artifact = Artifact::load(path);
    if (!artifact.ok())
      return artifact.status();
    auto loaded = std::make_unique<LlmcModel>();
    loaded->stopTokens = stopTokens((*artifact)->manifest());
    loaded->artifact = *std::move(artifact);
    *model = loaded.release();
    return absl::OkStatus();
  });
}

LlmcStatus llmc_model_info(const LlmcModel *model, LlmcModelInfo *info) {
  return guarded([&]() -> absl::Status {
    if (absl::Status status = requireNotNull({{"model", model}, {"info", info}}); !status.ok())
      return status;
    const Manifest &manifest = model->artifact->manifest();
    *info = {.name = manifest.model_name().c_str(),
             .architecture = manifest.architecture().c_str(),
             .licence = manifest.licence().c_str(),
             .is_embedder = manifest.kind() == EMBED,
             .is_predictor = manifest.kind() == PREDICT,
             .vocabulary_size = static_cast<int32_t>(manifest.vocabulary_size()),
             .context_length = static_cast<int32_t>(manifest.context_length()),
             .output_width = static_cast<int32_t>(manifest.output_width()),
             .weight_bytes = manifest.weights().size(),
             .session_bytes = manifest.arena_bytes() + manifest.cache_bytes(),
             .load_seconds = model->artifact->loadSeconds()};
    return absl::OkStatus();
  });
}

void llmc_model_free(LlmcModel *model) { delete model; }

LlmcStatus llmc_session_create(const LlmcModel *model, int32_t threads, LlmcSession **session) {
  return guarded([&]() -> absl::Status {
    if (absl::Status status = requireNotNull({{"model", model}, {"session", session}}); !status.ok())
      return status;
    *session = nullptr;
    constexpr int32_t kMaxThreads = 1024;
    if (threads < 0 || threads > kMaxThreads)
      return absl::InvalidArgumentError(
          absl::StrCat("threads is ", threads, ", expected 0 to ", kMaxThreads));
    absl::StatusOr<std::unique_ptr<Session>> created = Session::create(model->artifact, {.threads = threads});
    if (!created.ok())
      return created.status();
    *session = new LlmcSession{*std::move(created)};
    return absl::OkStatus();
  });
}

void llmc_session_free(LlmcSession *session) { delete session; }

int64_t llmc_session_position(const LlmcSession *session) {
  return session == nullptr ? 0 : session->session->position();
}

void llmc_session_reset(LlmcSession *session) {
  if (session != nullptr)
    session->session->reset();
}

LlmcStatus llmc_session_use_adapter(LlmcSession *session, const char *name) {
  return guarded([&]() -> absl::Status {
    if (absl::Status status = requireNotNull({{"session", session}}); !status.ok())
      return status;
    return session->session->useAdapter(name == nullptr ? "" : name);
  });
}

LlmcStatus llmc_session_truncate(LlmcSession *session, int64_t length) {
  return guarded([&]() -> absl::Status {
    if (absl::Status status = requireNotNull({{"session", session}}); !status.ok())
      return status;
    const int64_t position = session->session->position();
    if (length < 0 || length > position)
      return absl::InvalidArgumentError(absl::StrCat("length is ", length, ", expected 0 to ", position));
    session->session->truncate(length);
    return absl::OkStatus();
  });
}

LlmcStatus llmc_feed(LlmcSession *session, const int32_t *tokens, size_t count, const float **logits) {
  return guarded([&]() -> absl::Status {
    if (absl::Status status = requireNotNull({{"session", session}, {"logits", logits}}); !status.ok())
      return status;
    absl::StatusOr<absl::Span<const int32_t>> next = tokensOf("tokens", tokens, count);
    if (!next.ok())
      return next.status();
    absl::StatusOr<absl::Span<const float>> outputs = session->session->feed(*next);
    if (outputs.ok())
      *logits = outputs->data();
    return outputs.status();
  });
}

LlmcStatus llmc_session_fork(LlmcSession *session, LlmcSession **fork) {
  return guarded([&]() -> absl::Status {
    if (absl::Status status = requireNotNull({{"session", session}, {"fork", fork}}); !status.ok())
      return status;
    *fork = nullptr;
    absl::StatusOr<std::unique_ptr<Session>> made = session->session->forkSession();
    if (!made.ok())
      return made.status();
    *fork = new LlmcSession{*std::move(made)};
    return absl::OkStatus();
  });
}

LlmcStatus llmc_feed_together(LlmcFeed *feeds, size_t feed_count) {
  return guarded([&]() -> absl::Status {
    if (absl::Status status = requireNotNull({{"feeds", feeds}}); !status.ok())
      return status;
    std::vector<Feed> all;
    for (const LlmcFeed &feed : absl::MakeConstSpan(feeds, feed_count)) {
      if (absl::Status status = requireNotNull({{"session", feed.session}}); !status.ok())
        return status;
      absl::StatusOr<absl::Span<const int32_t>> tokens = tokensOf("tokens", feed.tokens, feed.count);
      if (!tokens.ok())
        return tokens.status();
      all.push_back({feed.session->session.get(), *tokens});
    }
    if (all.empty())
      return absl::OkStatus();
    absl::StatusOr<std::vector<absl::Span<const float>>> logits = all[0].sequence->feedTogether(all);
    if (!logits.ok())
      return logits.status();
    for (size_t i = 0; i < feed_count; ++i)
      feeds[i].logits = (*logits)[i].data();
    return absl::OkStatus();
  });
}

LlmcStatus llmc_read_source(LlmcSession *session, const int32_t *tokens, size_t count) {
  return guarded([&]() -> absl::Status {
    if (absl::Status status = requireNotNull({{"session", session}}); !status.ok())
      return status;
    absl::StatusOr<absl::Span<const int32_t>> source = tokensOf("tokens", tokens, count);
    return source.ok() ? session->session->readSource(*source) : source.status();
  });
}

LlmcStatus llmc_embed(LlmcSession *session, const int32_t *tokens, size_t count, float *embedding) {
  return guarded([&]() -> absl::Status {
    if (absl::Status status = requireNotNull({{"session", session}, {"embedding", embedding}}); !status.ok())
      return status;
    absl::StatusOr<absl::Span<const int32_t>> text = tokensOf("tokens", tokens, count);
    if (!text.ok())
      return text.status();
    absl::StatusOr<absl::Span<const float>> result = session->session->embed(*text);
    if (result.ok())
      std::copy(result->begin(), result->end(), embedding);
    return result.status();
  });
}

LlmcStatus llmc_predict(LlmcSession *session, const int32_t *tokens, const int32_t *types, size_t count,
                        const int32_t *rows, size_t row_count, float *outputs) {
  return guarded([&]() -> absl::Status {
    if (absl::Status status = requireNotNull({{"session", session}, {"outputs", outputs}}); !status.ok())
      return status;
    absl::StatusOr<absl::Span<const int32_t>> text = tokensOf("tokens", tokens, count);
    if (!text.ok())
      return text.status();
    absl::StatusOr<absl::Span<const int32_t>> wanted = tokensOf("rows", rows, row_count);
    if (!wanted.ok())
      return wanted.status();
    absl::StatusOr<absl::Span<const float>> result =
        session->session->predict(*text, {types, types == nullptr ? 0 : count}, *wanted);
    if (result.ok())
      std::copy(result->begin(), result->end(), outputs);
    return result.status();
  });
}

LlmcStatus llmc_grammar_create(const LlmcModel *model, const char *text, size_t length,
                               LlmcGrammarLanguage language, LlmcGrammar **grammar) {
  return guarded([&]() -> absl::Status {
    if (absl::Status status = requireNotNull({{"model", model}, {"text", text}, {"grammar", grammar}});
        !status.ok())
      return status;
    *grammar = nullptr;
    if (language != LLMC_GRAMMAR_GBNF && language != LLMC_GRAMMAR_JSON_SCHEMA)
      return absl::InvalidArgumentError(
          absl::StrCat("language is ", static_cast<int>(language), ", expected 0 or 1"));
    absl::StatusOr<std::shared_ptr<const llmc::text::Tokenizer>> tokenizer = model->tokenizer();
    if (!tokenizer.ok())
      return tokenizer.status();
    absl::StatusOr<std::string> gbnf = std::string(text, length);
    if (language == LLMC_GRAMMAR_JSON_SCHEMA)
      gbnf = llmc::grammar::grammarOfSchema(*gbnf);
    if (!gbnf.ok())
      return gbnf.status();
    absl::StatusOr<llmc::grammar::Grammar> read = llmc::grammar::readGrammar("grammar", *gbnf);
    if (!read.ok())
      return read.status();
    auto constraint = llmc::grammar::GrammarConstraint::create(*read, **tokenizer);
    if (constraint.ok())
      *grammar = new LlmcGrammar{*std::move(constraint)};
    return constraint.status();
  });
}

void llmc_grammar_free(LlmcGrammar *grammar) { delete grammar; }

LlmcStatus llmc_default_options(const LlmcModel *model, LlmcGenerationOptions *options) {
  return guarded([&]() -> absl::Status {
    if (absl::Status status = requireNotNull({{"model", model}, {"options", options}}); !status.ok())
      return status;
    const SamplingOptions sampling = recommendedSampling(model->artifact->manifest().generation_defaults());
    *options = {.temperature = sampling.temperature,
                .top_k = sampling.topK,
                .top_p = sampling.topP,
                .min_p = sampling.minP,
                .repetition_penalty = sampling.repetitionPenalty,
                .seed = sampling.seed,
                .max_tokens = 0,
                .stop_tokens = model->stopTokens.data(),
                .stop_token_count = model->stopTokens.size(),
                .keep_on_shift = -1,
                .grammar = nullptr,
                .draft = nullptr,
                .draft_tokens = DraftOptions().tokens};
    return absl::OkStatus();
  });
}

LlmcStatus llmc_generate(LlmcSession *session, const int32_t *prompt, size_t count,
                         const LlmcGenerationOptions *options, LlmcTokenCallback on_token, void *user_data,
                         LlmcGenerationStats *stats) {
  return guarded([&]() -> absl::Status {
    if (absl::Status status = requireNotNull({{"session", session},
                                              {"options", options},
                                              {"on_token", reinterpret_cast<const void *>(on_token)}});
        !status.ok())
      return status;
    absl::StatusOr<absl::Span<const int32_t>> tokens = tokensOf("prompt", prompt, count);
    if (!tokens.ok())
      return tokens.status();
    absl::StatusOr<GenerationOptions> wanted = optionsOf(*options);
    if (!wanted.ok())
      return wanted.status();
    absl::StatusOr<Generation> generation = generate(
        *session->session, *tokens, *wanted, [&](int32_t token) { return on_token(token, user_data) != 0; });
    if (generation.ok() && stats != nullptr)
      *stats = statsOf(*generation);
    return generation.status();
  });
}
