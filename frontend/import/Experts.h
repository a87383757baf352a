//===- Experts.h - feed-forward networks of which a router chooses some ------------------------------===//
#ifndef LLMC_FRONTEND_IMPORT_EXPERTS_H
#define LLMC_FRONTEND_IMPORT_EXPERTS_H

#include "frontend/import/Description.h"
#include "frontend/import/GraphBuilder.h"

namespace llmc::frontend {

/// The experts of a decoder's layers (Shazeer et al., 2017).
struct Experts {
  /// How files of Hugging Face name them, within a layer; GGUF's names are the same in all families.
  struct Names {
    const char *router;              ///< "mlp.gate"
    const char *experts;             ///< "mlp.experts.", before the number of one
    const char *gate, *up, *down;    ///< of one expert
    const char *shared, *sharedGate; ///< of what all tokens share; empty: nothing
  };

  Names names;
  Size count, inner;
  int64_t perToken;
  bool renormalize; ///< the weights of the chosen ones add up to one
  /// The inner size of an expert that all tokens share, behind a gate of its own.
  std::optional<Size> sharedInner;
  /// Which layers have experts. Empty: all.
  std::vector<bool> layers;
};

/// What families do differently.
struct ExpertsReading {
  Experts::Names names;
  Name inner;               ///< the field with the inner size of an expert
  bool renormalize;         ///< of GGUF files, and of a config.json without `norm_topk_prob`
  bool mayKeepWeights;      ///< the family has `norm_topk_prob`
  bool shared = false;      ///< the family has a shared expert
  bool denseLayers = false; ///< the family may have layers without experts
};

/// Reads the experts of a decoder of `layers`.
Experts readExperts(Hyperparameters &fields, const ExpertsReading &reading, const Size &layers);

/// Adds the fields that readExperts() reads.
void describeExperts(const Experts &experts, const ExpertsReading &reading, Description &description);

/// The feed-forward network of a layer: the chosen experts, and the shared one.
mlir::Value buildExperts(GraphBuilder &graph, const Experts &experts, const Size &hidden, mlir::Value x);

} // namespace llmc::frontend

#endif // LLMC_FRONTEND_IMPORT_EXPERTS_H
