//===- DefineLayers.h - parts of models as parts of model definitions, and back -----------------------===//
#ifndef LLMC_FRONTEND_IMPORT_DEFINELAYERS_H
#define LLMC_FRONTEND_IMPORT_DEFINELAYERS_H

#include "frontend/import/GraphBuilder.h"
#include "frontend/spec/Definition.h"

namespace llmc::frontend {

/// A size of a definition, with its field.
Size sizeOf(uint32_t value, const char *field);

/// An activation, of a gate or without one, as a kind of MLP. No family has a gate that is not in the list.
spec::Mlp::Kind defineMlp(Activation activation, bool gated);
Activation activationOf(spec::Mlp::Kind kind);
bool isGated(spec::Mlp::Kind kind);

/// What an attention's shape says: all but its biases, norms and pattern of layers.
void defineAttention(const AttentionShape &shape, int64_t headDim, spec::Attention &defined);
AttentionShape attentionOf(const spec::Attention &defined, bool causal);

/// Which of so many layers are of `kind`, in a definition whose pattern begins anew where it ends. None:
/// there is no pattern.
template <typename Pattern> std::vector<bool> layersOf(const Pattern &pattern, int kind, int64_t layers) {
  std::vector<bool> chosen;
  for (int64_t layer = 0; layer < layers && !pattern.empty(); ++layer)
    chosen.push_back(pattern[static_cast<int>(layer % pattern.size())] == kind);
  return chosen;
}

} // namespace llmc::frontend

#endif // LLMC_FRONTEND_IMPORT_DEFINELAYERS_H
