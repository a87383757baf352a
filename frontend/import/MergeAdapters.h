//===- MergeAdapters.h - low-rank matrices become a part of a model's weights ------------------------===//
#ifndef LLMC_FRONTEND_IMPORT_MERGEADAPTERS_H
#define LLMC_FRONTEND_IMPORT_MERGEADAPTERS_H

#include "frontend/import/Import.h"

namespace llmc::frontend {

/// Adds `adapters` to the weights of `model`, as operations of its program: the parameter @W of an adapted
/// layer is computed from @W.base, the checkpoint's tensor, and the matrices, which become tensors of the
/// checkpoint in f32:
///
///     nn.param @W : tensor<[out, in]> = {
///       %w = nn.load @W.base, %b = nn.load @lora.0.LAYER.up, %a = nn.load @lora.0.LAYER.down   // [in, rank]
///       nn.yield (%w + (%b * scale) %a^T)
///     }
///
/// Sums are taken in f32 and rounded once, to what `sums` says. The program's other operations follow where
/// that is another type than the checkpoint's. Of several adapters all matrices are added; a tensor that two
/// of them replace is refused, as is what has no place in the model.
absl::Status mergeAdapters(ImportedModel &model, llvm::ArrayRef<AdapterChoice> adapters, AdaptedType sums);

} // namespace llmc::frontend

#endif // LLMC_FRONTEND_IMPORT_MERGEADAPTERS_H
