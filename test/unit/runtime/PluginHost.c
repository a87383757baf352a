// Loads libllmc.so as a plug-in, without making its symbols visible to others, and runs an artifact.
//   runtime_plugin_host LIBLLMC.SO MODEL
// Exits with 0 if the logits of token 1 are those of the tiny model.
#include "runtime/core/llmc.h"

#include <dlfcn.h>
#include <stdio.h>

int main(int argc, char **argv) {
  void *library = argc == 3 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : 0;
  if (!library)
    return fprintf(stderr, "%s\n", argc == 3 ? dlerror() : "expected two arguments"), 2;
  const char *(*lastError)(void);
  LlmcStatus (*load)(const char *, LlmcModel **);
  LlmcStatus (*create)(const LlmcModel *, int32_t, LlmcSession **);
  LlmcStatus (*feed)(LlmcSession *, const int32_t *, size_t, const float **);
  void (*freeSession)(LlmcSession *);
  void (*freeModel)(LlmcModel *);
  *(void **)&lastError = dlsym(library, "llmc_last_error");
  *(void **)&load = dlsym(library, "llmc_model_load");
  *(void **)&create = dlsym(library, "llmc_session_create");
  *(void **)&feed = dlsym(library, "llmc_feed");
  *(void **)&freeSession = dlsym(library, "llmc_session_free");
  *(void **)&freeModel = dlsym(library, "llmc_model_free");
  LlmcModel *model = 0;
  LlmcSession *session = 0;
  const float *logits = 0;
  const int32_t token = 1;
  if (load(argv[2], &model) || create(model, 2, &session) || feed(session, &token, 1, &logits))
    return fprintf(stderr, "%s\n", lastError()), 3;
  const int isRight = logits[1 + 3] == 1.0f;
  freeSession(session);
  freeModel(model);
  return isRight ? 0 : 4;
}
