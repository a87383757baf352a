// llmc.h has to be C.
#include "runtime/core/llmc.h"

static int collect(int32_t token, void *userData) {
  int32_t **end = userData;
  *(*end)++ = token;
  return 1;
}

/// Loads the model at `path`, generates up to 4 tokens after 1, 2 into `tokens` and returns their number, or
/// -1.
int generateInC(const char *path, int32_t tokens[4]) {
  LlmcModel *model = 0;
  LlmcSession *session = 0;
  LlmcGenerationOptions options;
  int32_t *end = tokens;
  const int32_t prompt[] = {1, 2};
  if (llmc_model_load(path, &model) != LLMC_OK || llmc_session_create(model, 1, &session) != LLMC_OK ||
      llmc_default_options(model, &options) != LLMC_OK)
    return -1;
  llmc_model_free(model); // the session keeps what it needs
  options.max_tokens = 4;
  options.stop_token_count = 0;
  if (llmc_generate(session, prompt, 2, &options, collect, &end, 0) != LLMC_OK)
    return -1;
  llmc_session_free(session);
  return (int)(end - tokens);
}
