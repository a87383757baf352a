//===- Family.h - the model families that can be imported --------------------------------------------===//
#ifndef LLMC_FRONTEND_IMPORT_FAMILY_H
#define LLMC_FRONTEND_IMPORT_FAMILY_H

#include "frontend/import/Checkpoint.h"
#include "frontend/import/Description.h"
#include "frontend/import/ModelInfo.h"
#include "frontend/spec/Definition.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/ADT/ArrayRef.h"

namespace llmc::frontend {

/// A built model.
struct Graph {
  mlir::OwningOpRef<mlir::ModuleOp> module;
  ModelSizes sizes;
  /// The model for files of the other format; without an architecture, its family is not written there.
  Description description = {};
  std::optional<Head> head = {};      ///< if it was built with one
  std::optional<ModelKind> kind = {}; ///< if it is not its family's
  /// Of a model that reads a source first (EncoderDecoder.h): what its own text begins with.
  std::optional<int64_t> startToken = {};
  /// The model as a definition, not complete yet: numbers that are usual may be missing.
  std::optional<spec::ModelDefinition> definition = {};
};

/// Has `decoder`, built without its head, make embeddings. Files of the other format can not say that.
void makeEmbedder(Graph &decoder);

/// Models that are one graph with different sizes and options. Each is one file of this folder, listed in
/// families().
struct Family {
  const char *name;
  ModelKind kind;
  /// Values of `architectures` in config.json, and of `general.architecture` in GGUF files.
  llvm::ArrayRef<llvm::StringLiteral> huggingFaceArchitectures;
  llvm::ArrayRef<llvm::StringLiteral> ggufArchitectures;
  /// Builds the graph in a context that has loaded the dialects nn, func and arith. Fails with one line that
  /// names file, field, what was found and what was expected.
  absl::StatusOr<Graph> (*build)(Checkpoint &checkpoint, mlir::MLIRContext *context);
  /// The same of a complete definition of the family, with its head, instead of what the fields of the
  /// checkpoint say. None: the family has no definitions.
  absl::StatusOr<Graph> (*buildDefined)(const spec::ModelDefinition &definition, Checkpoint &checkpoint,
                                        mlir::MLIRContext *context);
  /// The same with a head. None: the family has no heads.
  absl::StatusOr<Graph> (*buildWithHead)(Checkpoint &checkpoint, const HeadChoice &choice,
                                         mlir::MLIRContext *context) = nullptr;
};

extern const Family kLlama;
extern const Family kQwen2;
extern const Family kQwen3;
extern const Family kQwen2Moe;
extern const Family kQwen3Moe;
extern const Family kGemma;
extern const Family kGemma2;
extern const Family kGemma3;
extern const Family kPhi3;
extern const Family kGpt2;
extern const Family kT5;
extern const Family kBart;
extern const Family kMarian;
extern const Family kBert;
extern const Family kRoberta;
extern const Family kDistilBert;
/// Whatever a graph of ONNX computes. No list names it: its files have the architectures of others.
extern const Family kOnnx;

/// The family of a complete definition.
const Family &familyOf(const spec::ModelDefinition &definition);

/// All families.
llvm::ArrayRef<const Family *> families();

/// The family of `checkpoint`; its architecture is refused by name, with the list of those that are
/// supported.
absl::StatusOr<const Family *> findFamily(const Checkpoint &checkpoint);

} // namespace llmc::frontend

#endif // LLMC_FRONTEND_IMPORT_FAMILY_H
