// Steps of two tiny models, written by hand, that stand for compiled code in the tests of the runtime.
#include "runtime/core/StepAbi.h"

enum { Vocabulary = 11, LogitWidth = 12, Context = 16, HiddenWidth = 3 };

#ifndef TINY_OFFSET
#define TINY_OFFSET 0
#endif

// A generator. The next token is (the sum of all tokens of the sequence + weights[0] + TINY_OFFSET) mod 11:
// its logit is 1, those of the others 0. The padding column LogitWidth - 1 holds 100 + rows of the step. If
// the cache of a new sequence holds something beyond it, the logits are -1. cache: int32 [Context], token + 1 at each
// position; weights: float [1]; arena: int32 [1], number of output rows so far
static int32_t *cacheOf(const LlmcStep *step, int64_t row, int maxRows) {
  return (int32_t *)(step->cache + (maxRows == 1 ? 0 : step->cache_offsets[row]));
}

static void generate(const LlmcStep *step, LlmcWorker *worker, int maxRows) {
  for (int64_t row; (row = llmc_region_next(worker, step->rows)) >= 0;)
    cacheOf(step, row, maxRows)[step->positions[row]] = step->tokens[row] + 1;
  for (int64_t chunk; (chunk = llmc_region_next(worker, step->output_rows)) >= 0;) {
    const int64_t row = step->output_ids[chunk];
    const int32_t *cache = cacheOf(step, row, maxRows);
    int64_t firstRow = row, lastRow = row; // of this sequence
    while (firstRow > 0 && cacheOf(step, firstRow - 1, maxRows) == cache)
      --firstRow;
    while (lastRow + 1 < step->rows && cacheOf(step, lastRow + 1, maxRows) == cache)
      ++lastRow;
    const int last = step->positions[row], stepLast = step->positions[lastRow];
    int sum = (int)((const float *)step->weights)[0] + TINY_OFFSET, isClean = 1;
    for (int position = 0; position <= last; ++position)
      sum += cache[position] - 1;
    for (int position = stepLast + 1; step->positions[firstRow] == 0 && position < Context; ++position)
      isClean &= cache[position] == 0;
    float *logits = step->output + chunk * LogitWidth;
    for (int token = 0; token < Vocabulary; ++token)
      logits[token] = !isClean ? -1.0f : token == sum % Vocabulary ? 1.0f : 0.0f;
    logits[Vocabulary] = 100.0f + (float)step->rows;
  }
}

void tiny_decode(const LlmcStep *step, LlmcWorker *worker) { generate(step, worker, 1); }
void tiny_prefill(const LlmcStep *step, LlmcWorker *worker) { generate(step, worker, 4); }

// An encoder: hidden[row][d] = weights[d] * (token + 10 * position) + type.
// weights: float [HiddenWidth]
void tiny_encode(const LlmcStep *step, LlmcWorker *worker) {
  for (int64_t chunk; (chunk = llmc_region_next(worker, step->output_rows)) >= 0;) {
    const int32_t row = step->output_ids[chunk];
    for (int d = 0; d < HiddenWidth; ++d)
      step->output[chunk * HiddenWidth + d] =
          ((const float *)step->weights)[d] * (float)(step->tokens[row] + 10 * step->positions[row]) +
          (float)step->token_types[row];
  }
}
