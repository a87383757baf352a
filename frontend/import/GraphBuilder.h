//===- GraphBuilder.h - a model in the words of its paper, as nn -------------------------------------===//
#ifndef LLMC_FRONTEND_IMPORT_GRAPHBUILDER_H
#define LLMC_FRONTEND_IMPORT_GRAPHBUILDER_H

#include "dialects/nn/NN.h"
#include "frontend/import/Activation.h"
#include "frontend/import/Checkpoint.h"
#include "frontend/import/NamedTensor.h"
#include "frontend/import/Rope.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringSet.h"

namespace llmc::frontend {

/// Marks a parameter that the checkpoint does not have.
inline constexpr llvm::StringLiteral kNewParameter = "llmc.new";

/// Whether a layer of the model has a bias vector beside its weight.
enum class Bias { No, Yes };

/// How Hugging Face files hold the matrices of a model: as [out, in], or transposed. GGUF's are [out, in].
enum class WeightOrder { OutIn, InOut };

/// How Hugging Face files hold the weight of a norm: as it multiplies, or less one. GGUF's are whole.
enum class NormWeight { Whole, LessOne };

/// How the numbers of a router become probabilities of experts: all together, or each by itself.
enum class RouterScore { Softmax, Logistic };

/// Shape of attention.
struct AttentionShape {
  int64_t heads;
  int64_t kvHeads;
  double scale;                       ///< of the products of queries and keys
  bool causal;                        ///< a token does not see later ones
  std::optional<int64_t> window;      ///< a token sees this many tokens, itself included
  std::optional<double> softcap = {}; ///< of the scaled products
};

/// A learned bias for each range of distances of query and key (T5): the table [buckets, heads] has complete
/// names, since all layers of a stack share it.
struct RelativeBias {
  NamedTensor table;
  Size buckets, heads;
  int64_t maxDistance;
  bool bidirectional; ///< keys behind the query have buckets of their own
};

/// Builds the module of one model: `nn.param` for every tensor that is used, a public function @forward, and
/// a private function for each layer. Activations are [tokens, width] in f32.
///
/// A model that reads a source before it writes has another public function first, @encode, which fills a
/// cache for each layer whose attention reads the source.
///
/// A tensor is asked for by name together with the shape that the hyperparameters give it. A tensor that is
/// missing or has another shape is an error that names both; the first error is kept, and building goes on
/// with a placeholder until finish() returns it. Of a checkpoint that holds no tensors all are there, in f32,
/// and say how they begin (frontend/spec/ParameterAttributes.h).
class GraphBuilder {
public:
  /// Begins @forward, or another public function, with an i32 argument [tokens] for each of `inputs`, which
  /// name fields of LlmcStep.
  GraphBuilder(Checkpoint &checkpoint, Hyperparameters &fields, mlir::MLIRContext *context,
               llvm::ArrayRef<llvm::StringRef> inputs, llvm::StringRef name = "forward");

  /// Ends the public function with `results` and begins @forward.
  void beginForward(mlir::ValueRange results, llvm::ArrayRef<llvm::StringRef> inputs);

  /// Puts `prefix` before the names of all tensors that follow in Hugging Face files ("bert.").
  void beginNamesWith(std::string prefix) { namePrefix = std::move(prefix); }

  /// From now on a tensor that the checkpoint lacks is a parameter in f32 that is to be trained, without
  /// contents, and marked by kNewParameter.
  void addsMissingTensors() { addsMissing = true; }

  /// How Hugging Face files hold the weights of linear().
  void holdsWeightsAs(WeightOrder order) { weightOrder = order; }

  /// The value of input `index` of the public function.
  mlir::Value input(unsigned index);

  /// One more argument of the public function: the keys and values of the source for a layer with `heads`
  /// heads.
  mlir::Value addSourceCache(int64_t heads, int64_t headDim);

  /// Adds the function @layer_INDEX (or another KIND_INDEX) with the arguments `operands` and a call to it.
  /// In `body`, names of tensors are completed by `prefix` and the number of the layer ("model.layers." +
  /// "3."), and parameters become arguments.
  mlir::Value layer(int64_t index, Name prefix, mlir::ValueRange operands,
                    llvm::function_ref<mlir::Value(mlir::ValueRange)> body, llvm::StringRef kind = "layer");

  // Each takes the name of a tensor without its suffix ".weight" or ".bias", and sizes of the weight [out,
  // in].
  /// The id 0 stands for `firstRow` of the table; nothing uses the rows before it.
  mlir::Value embedding(mlir::Value ids, Name name, const Size &rows, const Size &width,
                        int64_t firstRow = 0);
  /// `neighbourHeads`: outputs are so many heads, in each of which the rows of Hugging Face files are the
  /// first halves of rotating pairs and then the second ones, and those of GGUF files pair by pair. 0: both
  /// are alike.
  mlir::Value linear(mlir::Value x, Name name, const Size &out, const Size &in, Bias bias = Bias::No,
                     int64_t neighbourHeads = 0);
  /// The same where weight and bias have names of their own, complete ones of Hugging Face.
  mlir::Value linear(mlir::Value x, const std::string &weight, const std::string &bias, const Size &out,
                     const Size &in);
  /// The weight alone, for operations that take several.
  mlir::Value weight(Name name, const Size &out, const Size &in);
  /// The weights of all experts, [experts * out, in]: files of Hugging Face have a tensor for each, called
  /// `name` + number + `part`, GGUF files one tensor [experts, out, in].
  mlir::Value expertWeights(Name name, const char *part, const Size &experts, const Size &out,
                            const Size &in);
  /// Over each `width` elements of x: its whole width, or each head.
  mlir::Value rmsNorm(mlir::Value x, Name name, const Size &width, double epsilon,
                      NormWeight form = NormWeight::Whole);
  mlir::Value layerNorm(mlir::Value x, Name name, const Size &width, double epsilon);

  mlir::Value rope(mlir::Value x, mlir::Value positions, int64_t heads, const Rope &rope);
  mlir::Value attention(mlir::Value query, mlir::Value key, mlir::Value value, const AttentionShape &shape,
                        mlir::Value bias = {});
  /// The bias of attention of tokens at `positions` among themselves.
  mlir::Value relativeBias(mlir::Value positions, const RelativeBias &bias);
  /// Puts the keys and values of a source into a cache of addSourceCache().
  mlir::Value appendToCache(mlir::Value cache, mlir::Value key, mlir::Value value, mlir::Value positions);
  /// Attention to a source whose last token is at `ends`, the same for each query.
  mlir::Value crossAttention(mlir::Value query, mlir::Value cache, mlir::Value ends,
                             const AttentionShape &shape);
  /// `weights` are those of gate, up and down.
  mlir::Value experts(mlir::Value x, mlir::Value router, llvm::ArrayRef<mlir::Value> weights,
                      int64_t perToken, RouterScore score, bool renormalize);
  mlir::Value silu(mlir::Value x);
  mlir::Value tanh(mlir::Value x);
  mlir::Value activate(mlir::Value x, Activation activation);
  mlir::Value add(mlir::Value a, mlir::Value b);
  mlir::Value multiply(mlir::Value a, mlir::Value b);
  mlir::Value scale(mlir::Value x, double factor);
  mlir::Value softcap(mlir::Value x, double cap);
  /// Parts of the width, in order.
  llvm::SmallVector<mlir::Value> split(mlir::Value x, llvm::ArrayRef<int64_t> widths);
  mlir::Value selectRows(mlir::Value x, mlir::Value rows);

  /// Whether there was no error so far.
  bool ok() const { return fields.ok(); }

  /// Marks tensors as known but without use for the graph. A `*` stands for any text.
  void ignoreTensors(llvm::ArrayRef<llvm::StringRef> patterns);

  /// The tensors that were asked for so far, in order.
  const std::vector<NamedTensor> &tensors() const { return named; }

  /// Ends @forward with `result`, which is marked as its output. Fails with the first error, and if the
  /// checkpoint has a tensor that the graph does not use: a model of another kind than its name says.
  absl::StatusOr<mlir::OwningOpRef<mlir::ModuleOp>> finish(mlir::Value result);

private:
  void beginFunction(llvm::StringRef name, llvm::ArrayRef<llvm::StringRef> inputs);
  void endFunction(mlir::ValueRange results);
  mlir::Value parameter(const NamedTensor &tensor, llvm::ArrayRef<Size> shape);
  /// Says how a parameter of a model begins that is only defined.
  void initialize(nn::ParamOp param, NamedTensor::Form form);
  mlir::Value vector(const NamedTensor &tensor, const Size &size);
  mlir::RankedTensorType newType(llvm::ArrayRef<Size> shape);
  mlir::RankedTensorType checkedType(const std::string &name, llvm::ArrayRef<Size> shape);
  /// The tensor of `name` and a suffix (".weight") under its names in both formats.
  NamedTensor fullName(Name name, const char *suffix) const;
  /// Where operations of the tensors called `name` are said to be.
  mlir::Location placeOf(Name name);
  mlir::Location locationOf(llvm::StringRef name);

  Checkpoint &checkpoint;
  Hyperparameters &fields;
  mlir::MLIRContext *context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  mlir::OpBuilder builder;
  mlir::func::FuncOp function;      ///< the public one that is being built
  mlir::func::FuncOp firstFunction; ///< of the module, behind its parameters
  std::string namePrefix;
  WeightOrder weightOrder = WeightOrder::OutIn;
  bool addsMissing = false;
  /// What names of the layer that is being built begin with in both formats; nothing in public functions.
  std::string huggingFaceLayer, ggufLayer;
  mlir::func::FuncOp layerFunction;
  /// Parameters that have become arguments of the layer, in order.
  llvm::SmallVector<std::string> layerParameters;
  llvm::StringMap<mlir::Value> layerArguments;
  /// Parameters that the public function has loaded.
  llvm::StringMap<mlir::Value> loaded;
  llvm::StringSet<> used;
  std::vector<NamedTensor> named;
  llvm::SmallVector<std::string> ignored;
  /// Where operations are: the name of the tensor, or of the operation's place.
  mlir::Location here;
};

} // namespace llmc::frontend

#endif // LLMC_FRONTEND_IMPORT_GRAPHBUILDER_H
