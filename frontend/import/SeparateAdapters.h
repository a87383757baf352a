//===- SeparateAdapters.h - adapters that are chosen where a model runs ------------------------------===//
#ifndef LLMC_FRONTEND_IMPORT_SEPARATEADAPTERS_H
#define LLMC_FRONTEND_IMPORT_SEPARATEADAPTERS_H

#include "frontend/import/Import.h"

namespace llmc::frontend {

/// Adds the products of `adapters`, which have names, to the program of `model`. @forward gets an argument
/// marked "adapters", the number of the adapter that each token goes through: 0 for none, else its place in
/// `adapters` from 1. A linear layer that some adapter has matrices for becomes
///
///     y = x W^T + ((x A^T) * gates) B^T
///
/// where A [ranks, in] and B [out, ranks] have the ranks of all adapters side by side, and gates [tokens,
/// ranks] are rows of a table: ones at the ranks of the token's adapter, and zeros. Fails by the name of what
/// only a merged adapter can do, and of models that are no decoders.
absl::Status addSeparateAdapters(ImportedModel &model, llvm::ArrayRef<AdapterChoice> adapters);

} // namespace llmc::frontend

#endif // LLMC_FRONTEND_IMPORT_SEPARATEADAPTERS_H
