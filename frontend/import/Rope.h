//===- Rope.h - how a model's rotary embedding is described -------------------------------------------===//
#ifndef LLMC_FRONTEND_IMPORT_ROPE_H
#define LLMC_FRONTEND_IMPORT_ROPE_H

#include "dialects/nn/NN.h"
#include "frontend/import/Checkpoint.h"

namespace llmc::frontend {

/// A rotary position embedding (nn.rope).
struct Rope {
  int64_t dims; ///< rotated dimensions of each head
  double theta;
  nn::RopeStyle style;
  nn::RopeScalingAttr scaling; ///< null: none
};

/// Whether `partial_rotary_factor` of config.json may leave a part of each head as it is. (GGUF files have
/// `rope.dimension_count` in all families.)
enum class RotaryPart { Whole, MayBePart };

/// The tensor by whose elements GGUF files divide frequencies.
inline constexpr const char *kRopeFactorsTensor = "rope_freqs.weight";

/// Reads the rotary embedding of a decoder with heads of `headDim`. Files of Hugging Face rotate dimension i
/// with i + dims/2; `ggufStyle` is what GGUF files of the family do. A kind of scaling that nn.rope does not
/// have is refused by name.
Rope readRope(const Checkpoint &checkpoint, Hyperparameters &fields, const Size &headDim,
              nn::RopeStyle ggufStyle, RotaryPart part, mlir::MLIRContext *context);

} // namespace llmc::frontend

#endif // LLMC_FRONTEND_IMPORT_ROPE_H
