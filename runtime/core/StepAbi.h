//===- StepAbi.h - what compiled code and the runtime say to each other ------------------------------===//
//
// The C ABI between a compiled step function and the runtime that runs it. A change here is a new
// `kLlmcStepAbiVersion`; an artifact of another version is refused when it is loaded.
//
//===------------------------------------------------------------------------------------------------===//
#ifndef LLMC_RUNTIME_CORE_STEPABI_H
#define LLMC_RUNTIME_CORE_STEPABI_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { kLlmcStepAbiVersion = 4 };

/// One thread's view of the team that runs a step (runtime/core/Team.h).
typedef struct LlmcWorker LlmcWorker;

/// The inputs, outputs and memory of one step. Rows are tokens; `rows` is at most the step's `max_rows`
/// in the manifest. All buffers are 64-byte aligned and owned by the caller. Sequences may be cut: what
/// `cache` holds from the first of `positions` on changes nothing, whatever finite numbers an earlier step
/// left there.
typedef struct LlmcStep {
  int64_t rows;               ///< number of tokens in this step
  int64_t output_rows;        ///< number of rows for which the output is wanted, at most `rows`
  const int32_t *tokens;      ///< [rows]
  const int32_t *positions;   ///< [rows], position of each token in its sequence
  const int32_t *token_types; ///< [rows], segment of each token (BERT), or position of the last token of the
                              ///< source that it sees (decoders with an encoder), or number of the adapter
                              ///< that it goes through, 0 for none (decoders); zeros for other models
  const int32_t *output_ids;  ///< [output_rows], which rows are wanted
  const uint8_t *weights;     ///< the artifact's weights section, page aligned
  uint8_t *arena;             ///< `arena_bytes` of the manifest; contents undefined
  uint8_t *cache;             ///< `cache_bytes` of the manifest; zero before the first step of a sequence
  /// [rows], bytes from `cache` to the cache of the sequence that a row is of, a multiple of 64 and not
  /// negative. Rows of a sequence follow each other, in the order of their positions. A step whose `max_rows`
  /// is 1 has `cache` itself.
  const int64_t *cache_offsets;
  float *output; ///< [output_rows, output_width]: logits, or hidden states of an encoder
  /// Of steps of training, which use this and `arena` alone: one buffer for each operand that the manifest
  /// names. The table stays as it is as long as the team may be in the step.
  void *const *operands;
} LlmcStep;

/// A compiled step. Every worker of the team calls it once a step with its own `worker`.
typedef void (*LlmcStepFunction)(const LlmcStep *step, LlmcWorker *worker);

/// Claims a chunk of the current parallel region of `chunks` chunks. The previous chunk that this worker
/// claimed in the region counts as done with this call. Returns the chunk, or -1 when all chunks of the
/// region are done (it waits for that) and the worker moves on to the next region. Every worker passes the
/// same sequence of regions with the same chunk counts.
int64_t llmc_region_next(LlmcWorker *worker, int64_t chunks);

/// Of artifacts for GPUs: launches kernel `kernel` (its number in the manifest) on blocks_x times blocks_y
/// blocks of `threads` threads, after all that was launched before, and returns at once. A grid without
/// blocks does nothing, nor does a kernel for other architectures. If `is_persistent`, there are no more
/// blocks in the first dimension than the device has multiprocessors: those share the work. `arguments` say
/// where each argument is, which this call copies. All pointers of the step are the device's. Errors are
/// told by whoever runs the step.
void llmc_gpu_launch(LlmcWorker *worker, int64_t kernel, int64_t blocks_x, int64_t blocks_y, int64_t threads,
                     int64_t shared_bytes, int64_t is_persistent, void **arguments);

/// Makes the tensor map of a matrix of `rows` x `columns` bf16 at `matrix` on the device, a row every
/// `row_bytes`, with boxes of `box_rows` x 128 bytes, in the 128 bytes at `map`, a multiple of 64: an
/// argument of kernel `kernel`, which copies by it.
void llmc_gpu_tensor_map(LlmcWorker *worker, int64_t kernel, void *map, void *matrix, int64_t rows,
                         int64_t columns, int64_t row_bytes, int64_t box_rows);

#ifdef __cplusplus
}
#endif
#endif // LLMC_RUNTIME_CORE_STEPABI_H
