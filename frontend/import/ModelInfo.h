//===- ModelInfo.h - what a model's graph does not tell ----------------------------------------------===//
#ifndef LLMC_FRONTEND_IMPORT_MODELINFO_H
#define LLMC_FRONTEND_IMPORT_MODELINFO_H

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace llmc::frontend {

/// What a model is for.
enum class ModelKind { Generate, Embed, Predict };

/// Sizes of a model that others than its graph want to know.
struct ModelSizes {
  int64_t vocabulary = 0;
  /// Positions that the model was made for. Longer texts are cut by sentence encoders, special tokens
  /// included.
  int64_t contextLength = 0;
  int64_t hiddenSize = 0;
  int64_t layers = 0;
  /// The position of the first token in the table of positions of a model to train. Other models have a table
  /// that begins with it.
  int64_t firstPosition = 0;
};

/// How the files say that text should be sampled. What they do not say is absent.
struct SamplingDefaults {
  std::optional<bool> sample; ///< false: greedy
  std::optional<double> temperature;
  std::optional<int64_t> topK;
  std::optional<double> topP;
  std::optional<double> minP;
  std::optional<double> repetitionPenalty;
  // Of beam search.
  std::optional<int64_t> beams;
  std::optional<double> lengthPenalty;
  enum class EarlyStopping { No, Yes, Never } earlyStopping = EarlyStopping::No;
  // What texts of a model with an encoder and a decoder must be like: tokens that they never have, the first
  // one, the last one of those that become as long as they may, how many tokens in a row come only once (0:
  // any), and how many tokens they have at least.
  std::vector<int64_t> suppressed;
  std::optional<int64_t> first, last;
  int64_t noRepeat = 0, minTokens = 0;
};

/// How hidden states become the embedding of a text.
struct Pooling {
  /// Mean over all tokens, the first token, the largest value of each component, the last token, or the mean
  /// where token i (from 1) counts i times.
  enum class Mode { Mean, First, Max, Last, WeightedMean };
  Mode mode = Mode::Mean;
  bool normalize = true; ///< divide by the L2 norm
};

/// What an encoder's head was trained for.
enum class HeadTask { MaskedTokens, SequenceClassification, TokenClassification, QuestionAnswering };

/// The head of an encoder: what its outputs mean.
struct Head {
  HeadTask task = HeadTask::MaskedTokens;
  /// What the outputs of a sequence are: logits of labels of which one holds, of labels each of which may
  /// hold, or the wanted numbers themselves.
  enum class Problem { SingleLabel, MultiLabel, Regression };
  Problem problem = Problem::SingleLabel;
  /// Names of the outputs; none of masked tokens, whose outputs are tokens.
  std::vector<std::string> labels;
  /// Segments that have an embedding of their own; 0: the model takes none.
  int64_t tokenTypes = 0;
};

/// Which head an encoder is imported with.
struct HeadChoice {
  HeadTask task = HeadTask::SequenceClassification;
  /// A head to train, with these labels: the checkpoint may lack its tensors. None: the head of the files.
  bool toTrain = false;
  Head::Problem problem = Head::Problem::SingleLabel;
  std::vector<std::string> labels;
};

/// Facts about a model.
struct ModelInfo {
  std::string name;
  std::string licence;      ///< empty if the files do not say
  std::string family;       ///< "llama", "bert"
  std::string architecture; ///< as the files name it
  ModelKind kind = ModelKind::Generate;
  ModelSizes sizes;
  /// A serialized llmc.text.TokenizerModel, with the chat template and the ids that end a generation. Empty
  /// only if ImportOptions did not ask for it.
  std::string tokenizer;
  SamplingDefaults sampling; ///< of ModelKind::Generate
  /// Of ModelKind::Embed. Files that do not say: the normalized mean.
  std::optional<Pooling> pooling;
  /// Of ModelKind::Embed: a token sees earlier ones only, so that a text can be read in pieces.
  bool causal = false;
  std::optional<Head> head; ///< of ModelKind::Predict
  /// Names of adapters that are kept beside the weights; a token goes through one or none.
  std::vector<std::string> adapters;
  /// Of a model that reads a source before it writes: the token that its own text begins with.
  std::optional<int64_t> startToken;
};

} // namespace llmc::frontend

#endif // LLMC_FRONTEND_IMPORT_MODELINFO_H
