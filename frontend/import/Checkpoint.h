//===- Checkpoint.h - a model on disk, whatever its format -------------------------------------------===//
#ifndef LLMC_FRONTEND_IMPORT_CHECKPOINT_H
#define LLMC_FRONTEND_IMPORT_CHECKPOINT_H

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "dialects/blocks/BlockFormat.h"
#include "dialects/nn/ParameterSource.h"
#include "frontend/hf/SentenceEmbedding.h"
#include "frontend/import/Hyperparameters.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringMap.h"
#include <memory>
#include <mutex>
#include <optional>

namespace llmc::frontend {

/// A tensor as a file holds it. Views live as long as the checkpoint.
struct StoredTensor {
  /// The file that it is in, for messages.
  std::string file;
  /// How its elements are stored; nothing if no model can use that (integers).
  std::optional<blocks::StorageFormat> format;
  /// The element type as the file names it.
  std::string typeName;
  /// Slowest dimension first: [out, in] for a weight.
  llvm::SmallVector<int64_t, 4> shape;
  /// The tensor's name in the file, if it is called otherwise now.
  std::string nameInFile;
  /// In the file the matrix lies as [in, out], transposed.
  bool isTransposed = false;
  /// In the file the vector lies as a matrix of one row.
  bool isRow = false;
  /// Rows of the file before the first one.
  int64_t droppedRows = 0;
  /// It is a number of the architecture, which training leaves as it is.
  bool isConstant = false;
  /// It is in no file.
  bool isAdded = false;
  absl::Span<const uint8_t> bytes;
};

/// Facts of the model that are no hyperparameters of its graph.
struct ModelCard {
  std::string name;
  std::string licence; ///< empty if the files do not say
};

/// The tensors, hyperparameters and facts of one model. Tensors stay in memory-mapped files.
class Checkpoint : public nn::ParameterSource {
public:
  Format format() const { return formatKind; }
  /// The file or directory as the user named it.
  const std::string &path() const { return filePath; }
  /// The architecture as the files name it: 'LlamaForCausalLM', 'llama'.
  const std::string &architecture() const { return architectureName; }
  const ModelCard &card() const { return modelCard; }
  /// The paths of all files that were read so far.
  virtual std::vector<std::string> files() const = 0;

  /// Whether there are tensors: a model that is only defined has none yet.
  virtual bool holdsTensors() const { return true; }

  /// A new view of the hyperparameters, without an error so far.
  virtual Hyperparameters hyperparameters() const = 0;
  /// The same for how text should be generated: generation_config.json, `general.sampling.*` of GGUF.
  virtual Hyperparameters generationDefaults() const = 0;
  /// The tokenizer as a serialized llmc.text.TokenizerModel.
  virtual absl::StatusOr<std::string> readTokenizer() const = 0;
  /// How the model's hidden states become one vector, if the files say.
  virtual absl::StatusOr<std::optional<hf::SentenceEmbedding>> readEmbedding() const = 0;

  const llvm::StringMap<StoredTensor> &tensors() const { return stored; }
  /// The tensor called `name`, or null.
  const StoredTensor *find(llvm::StringRef name) const {
    auto found = stored.find(name);
    return found == stored.end() ? nullptr : &found->second;
  }

  /// From now on tensor `name` is the transpose of the matrix in the file. Does nothing if there is no such
  /// tensor, or if it is no matrix. The contents are made when they are first asked for, and are then kept in
  /// memory.
  void transpose(llvm::StringRef name);

  /// From now on `prefix` stands before the names of all tensors.
  void addPrefix(llvm::StringRef prefix);

  /// From now on tensor `name`, which has more than `count` rows, begins with row `count` of the file's.
  void dropRows(llvm::StringRef name, int64_t count);

  /// From now on tensor `name`, a vector [n] in the file, is the matrix [1, n]. Does nothing if there is no
  /// such vector.
  void makeRow(llvm::StringRef name);

  /// From now on tensor `name`, the matrix [1, n] in the file, is a vector [n]. Does nothing if there is no
  /// such matrix.
  void flattenRow(llvm::StringRef name);

  /// From now on tensor `name` is one that training leaves as it is. Does nothing if there is no such tensor.
  void makeConstant(llvm::StringRef name);

  /// Adds a tensor that is in no file, and that training leaves as it is.
  void addTensor(llvm::StringRef name, llvm::ArrayRef<int64_t> shape, std::vector<float> contents);

  /// From now on tensor `name`, [a, b, c] in the file, is the matrix [a * b, c].
  void mergeRows(llvm::StringRef name);

  /// From now on the model is read up to its last hidden state: a decoder without the product that makes
  /// logits, whose weight the files may lack.
  void leaveOutHead() { headIsWanted = false; }
  bool wantsHead() const { return headIsWanted; }

  llvm::Expected<llvm::ArrayRef<uint8_t>> getContents(llvm::StringRef name,
                                                      mlir::RankedTensorType type) override;

protected:
  Checkpoint(Format format, std::string path) : formatKind(format), filePath(std::move(path)) {}

  Format formatKind;
  std::string filePath;
  std::string architectureName;
  ModelCard modelCard;
  llvm::StringMap<StoredTensor> stored;

private:
  bool headIsWanted = true;
  std::vector<std::unique_ptr<std::vector<float>>> added; ///< contents of tensors that are in no file
  std::mutex transposing;
  llvm::StringMap<std::vector<uint8_t>> transposed;
};

/// The type of a parameter that holds `tensor`. The tensor's format is one that a model can use.
mlir::RankedTensorType typeOf(const StoredTensor &tensor, mlir::MLIRContext *context);

} // namespace llmc::frontend

#endif // LLMC_FRONTEND_IMPORT_CHECKPOINT_H
