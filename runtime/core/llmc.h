/*===- llmc.h - running artifacts from any language --------------------------------------------------===*\
|*
|* The C interface of the runtime (libllmc.so). Load a model once, make a session for each sequence of tokens,
feed
|* it, and take what comes out:
|*
|*     LlmcModel *model;
|*     LlmcSession *session;
|*     if (llmc_model_load("model.llmc", &model) != LLMC_OK ||
|*         llmc_session_create(model, 0, &session) != LLMC_OK)
|*       fprintf(stderr, "%s\n", llmc_last_error());
|*
|* Models may be shared by threads, a session is for one thread at a time. Every function that can fail
returns a
|* status; the message is one line. Handles are freed by their free function, which takes null.
|*
\*===--------------------------------------------------------------------------------------------------===*/
#ifndef LLMC_RUNTIME_CORE_LLMC_H
#define LLMC_RUNTIME_CORE_LLMC_H

#include <stddef.h>
#include <stdint.h>

/* The names of a C interface are C names. */
/* NOLINTBEGIN(readability-identifier-naming,performance-enum-size) */
#define LLMC_API __attribute__((visibility("default")))

#ifdef __cplusplus
extern "C" {
#endif

typedef enum LlmcStatus {
  LLMC_OK = 0,
  LLMC_INVALID_ARGUMENT = 1, /**< an argument is null or out of its range */
  LLMC_TOO_LONG = 2,         /**< more tokens than the context, or more bytes than the caller's buffer */
  LLMC_CANNOT_READ = 3,      /**< the file is missing, not readable, or where no code can be loaded from */
  LLMC_DAMAGED = 4,          /**< the file is not a whole artifact, or its model computes no finite numbers */
  LLMC_UNSUPPORTED = 5,      /**< made for another CPU or version, or not a thing that this model does */
  LLMC_OUT_OF_MEMORY = 6,
  LLMC_INTERNAL = 7
} LlmcStatus;

/** What went wrong in the last call of this thread that failed; empty if none has. Valid until the next one.
 */
LLMC_API const char *llmc_last_error(void);

/*===- Models -----------------------------------------------------------------------------------------===*/

typedef struct LlmcModel LlmcModel;

typedef struct LlmcModelInfo {
  const char *name; /**< strings live as long as the model */
  const char *architecture;
  const char *licence;
  int32_t is_embedder;  /**< 1: llmc_embed */
  int32_t is_predictor; /**< 1: llmc_predict; neither: llmc_feed and llmc_generate */
  int32_t vocabulary_size;
  int32_t context_length;
  int32_t output_width; /**< floats of an output row; the first vocabulary_size of a generator's are logits */
  uint64_t weight_bytes;  /**< mapped, shared by all that run this file */
  uint64_t session_bytes; /**< activations and caches of a session */
  double load_seconds;
} LlmcModelInfo;

/** Maps and checks the artifact at `path`. */
LLMC_API LlmcStatus llmc_model_load(const char *path, LlmcModel **model);
LLMC_API LlmcStatus llmc_model_info(const LlmcModel *model, LlmcModelInfo *info);
/** Sessions that were made of the model stay valid. */
LLMC_API void llmc_model_free(LlmcModel *model);

/*===- Text -------------------------------------------------------------------------------------------===*/

/** What becomes of special tokens, such as <|im_start|>; to be combined by |. */
typedef enum LlmcTokenize {
  LLMC_TOKENIZE_PLAIN = 0,        /**< they are text like any other: for text from strangers */
  LLMC_TOKENIZE_ADD_SPECIAL = 1,  /**< the text is surrounded by those that the model wants around any text */
  LLMC_TOKENIZE_PARSE_SPECIAL = 2 /**< their text stands for them: for the output of a chat template */
} LlmcTokenize;

/** Turns `length` bytes of UTF-8 into tokens. `*count` is their number even if they do not fit into
   `capacity`, which is LLMC_TOO_LONG; `tokens` then stays as it was. Only for models with a tokenizer. */
LLMC_API LlmcStatus llmc_tokenize(const LlmcModel *model, const char *text, size_t length, int32_t flags,
                                  int32_t *tokens, size_t capacity, size_t *count);

/** Turns tokens into text as they come, in whole characters. */
typedef struct LlmcDetokenizer LlmcDetokenizer;
LLMC_API LlmcStatus llmc_detokenizer_create(const LlmcModel *model, LlmcDetokenizer **detokenizer);
/** `*text` is what `token` completes, perhaps nothing; valid until the next call on this detokenizer. */
LLMC_API LlmcStatus llmc_detokenizer_push(LlmcDetokenizer *detokenizer, int32_t token, const char **text);
/** `*text` is what was held back for want of another token. */
LLMC_API LlmcStatus llmc_detokenizer_finish(LlmcDetokenizer *detokenizer, const char **text);
LLMC_API void llmc_detokenizer_free(LlmcDetokenizer *detokenizer);

/*===- Sessions ---------------------------------------------------------------------------------------===*/

typedef struct LlmcSession LlmcSession;

/** A sequence without tokens, run by `threads` threads, the caller's included; 0: one for each core. */
LLMC_API LlmcStatus llmc_session_create(const LlmcModel *model, int32_t threads, LlmcSession **session);
LLMC_API void llmc_session_free(LlmcSession *session);

/** Forgets all tokens, and goes on with the adapter `name` of those that the artifact has beside its weights;
   null or empty: with the model alone. */
LLMC_API LlmcStatus llmc_session_use_adapter(LlmcSession *session, const char *name);

/** Number of tokens that the sequence has. */
LLMC_API int64_t llmc_session_position(const LlmcSession *session);
/** Forgets them. */
LLMC_API void llmc_session_reset(LlmcSession *session);
/** Forgets all but the first `length` of them, which is at most their number. */
LLMC_API LlmcStatus llmc_session_truncate(LlmcSession *session, int64_t length);

/** Appends `count` tokens. `*logits` are then those of the next token, [output_width], valid until the next
   call on this session. */
LLMC_API LlmcStatus llmc_feed(LlmcSession *session, const int32_t *tokens, size_t count,
                              const float **logits);

/** A session with the same tokens that shares threads and activations with `session`: the two are not used at
   the same time. They are freed in any order. Not for models on GPUs (LLMC_UNSUPPORTED). */
LLMC_API LlmcStatus llmc_session_fork(LlmcSession *session, LlmcSession **fork);

/** What one of several sessions is fed. */
typedef struct LlmcFeed {
  LlmcSession *session;
  const int32_t *tokens;
  size_t count;
  const float *logits; /**< set by llmc_feed_together: those of the next token, [output_width] */
} LlmcFeed;

/** Feeds several forks of one session, each at most once, as llmc_feed does each, but in common steps, which
   read the model's weights once for all. The logits are the same to the bit; they are valid until the next
   call on any of the sessions. If one of them cannot be fed, none is. Not for models on GPUs
   (LLMC_UNSUPPORTED). */
LLMC_API LlmcStatus llmc_feed_together(LlmcFeed *feeds, size_t feed_count);

/** Of a model that reads a source before it writes (LLMC_UNSUPPORTED: it continues its text): starts anew
   with `count` tokens to read. llmc_feed comes next, with what the model's text begins with; llmc_generate
   does both, its prompt being the source. */
LLMC_API LlmcStatus llmc_read_source(LlmcSession *session, const int32_t *tokens, size_t count);

/** The embedding of a text of `count` tokens, written to `embedding`, [output_width]. */
LLMC_API LlmcStatus llmc_embed(LlmcSession *session, const int32_t *tokens, size_t count, float *embedding);

/** What the head of the model makes of a text of `count` tokens: its outputs for the tokens at the places
   `rows`, written to `outputs`, [row_count, output_width]. `types` are the segments of the tokens, or null:
   all are of the first. */
LLMC_API LlmcStatus llmc_predict(LlmcSession *session, const int32_t *tokens, const int32_t *types,
                                 size_t count, const int32_t *rows, size_t row_count, float *outputs);

/*===- Generation -------------------------------------------------------------------------------------===*/

/** A form that texts have to keep to, in the tokens of a model; for one generation at a time. */
typedef struct LlmcGrammar LlmcGrammar;

/** What a grammar is written in. */
typedef enum LlmcGrammarLanguage {
  LLMC_GRAMMAR_GBNF = 0,       /**< GBNF, as llama.cpp has it */
  LLMC_GRAMMAR_JSON_SCHEMA = 1 /**< a JSON schema: the text is JSON that it accepts */
} LlmcGrammarLanguage;

/** Reads a grammar of `length` bytes. Only for models with a tokenizer. Errors name line and column, or the
   place in the schema. */
LLMC_API LlmcStatus llmc_grammar_create(const LlmcModel *model, const char *text, size_t length,
                                        LlmcGrammarLanguage language, LlmcGrammar **grammar);
LLMC_API void llmc_grammar_free(LlmcGrammar *grammar);

typedef struct LlmcGenerationOptions {
  float temperature;        /**< 0: always the most likely token */
  int32_t top_k;            /**< 0: all */
  float top_p;              /**< 1: all */
  float min_p;              /**< 0: all */
  float repetition_penalty; /**< 1: none */
  uint64_t seed;
  int64_t max_tokens; /**< 0: until the model ends or the context is full */
  const int32_t *stop_tokens;
  size_t stop_token_count;
  int64_t keep_on_shift; /**< when the context is full, goes on with so many first tokens and the later half
                            of the others; -1: ends */
  LlmcGrammar *grammar;  /**< null: any text */
  LlmcSession
      *draft; /**< a session of a smaller model with the same tokens, which proposes some; null: none */
  int32_t draft_tokens; /**< that it proposes at a time */
} LlmcGenerationOptions;

/** What the model's authors recommend, and greedy where they say nothing; with the model's stop tokens, which
   live as long as the model, and without shifts, grammar and draft. */
LLMC_API LlmcStatus llmc_default_options(const LlmcModel *model, LlmcGenerationOptions *options);

typedef enum LlmcFinish {
  LLMC_FINISH_STOP = 0,     /**< a stop token */
  LLMC_FINISH_LENGTH = 1,   /**< max_tokens */
  LLMC_FINISH_CONTEXT = 2,  /**< the context is full */
  LLMC_FINISH_CANCELLED = 3 /**< the callback returned 0 */
} LlmcFinish;

typedef struct LlmcGenerationStats {
  LlmcFinish finish;
  int64_t prompt_tokens; /**< those that had to be computed */
  int64_t reused_tokens; /**< those that the session had already */
  double prompt_seconds;
  double first_token_seconds;
  int64_t decoded_tokens; /**< after the first */
  double decode_seconds;
  int64_t shifts;          /**< how often the context was made room in */
  int64_t proposed_tokens; /**< by the draft */
  int64_t accepted_tokens; /**< of those */
  uint64_t peak_resident_bytes;
} LlmcGenerationStats;

/** Called for each new token. Returns 0 to stop, anything else to go on. */
typedef int (*LlmcTokenCallback)(int32_t token, void *user_data);

/** Makes `prompt` the sequence of the session (what the session has of it already is not computed again) and
    continues it. `stats` may be null. */
LLMC_API LlmcStatus llmc_generate(LlmcSession *session, const int32_t *prompt, size_t count,
                                  const LlmcGenerationOptions *options, LlmcTokenCallback on_token,
                                  void *user_data, LlmcGenerationStats *stats);

#ifdef __cplusplus
}
#endif
/* NOLINTEND(readability-identifier-naming,performance-enum-size) */
#endif /* LLMC_RUNTIME_CORE_LLMC_H */
