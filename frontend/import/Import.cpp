//===- Import.cpp - from the files of a model to an nn module ----------------------------------------===//

#include "frontend/import/Import.h"
#include "absl/strings/str_cat.h"
#include "dialects/nn/NN.h"
#include "frontend/import/DefinitionCheckpoint.h"
#include "frontend/import/EncoderHead.h"
#include "frontend/import/Family.h"
#include "frontend/import/Formats.h"
#include "frontend/import/MergeAdapters.h"
#include "frontend/import/SeparateAdapters.h"
#include "frontend/spec/ParameterAttributes.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"
#include "runtime/text/tokenizer.pb.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::frontend;

namespace {

void annotate(ModuleOp module, const ModelInfo &info) {
  Builder builder(module.getContext());
  auto set = [&](StringRef name, Attribute value) { module->setAttr(name, value); };
  set("nn.name", builder.getStringAttr(info.name));
  set("nn.family", builder.getStringAttr(info.family));
  set("nn.architecture", builder.getStringAttr(info.architecture));
  set("nn.context_length", builder.getI64IntegerAttr(info.sizes.contextLength));
  set("nn.layers", builder.getI64IntegerAttr(info.sizes.layers));
}

absl::Status verifyModule(const std::string &path, ModuleOp module) {
  std::string message;
  ScopedDiagnosticHandler handler(module.getContext(), [&](Diagnostic &diagnostic) {
    if (message.empty())
      message = diagnostic.str();
    return success();
  });
  if (succeeded(verify(module)))
    return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(path, ": makes an invalid graph: ", message));
}

/// Of a field that is a flag or "never".
SamplingDefaults::EarlyStopping readEarlyStopping(const Hyperparameters &found, Name name) {
  Hyperparameters fields = found;
  const bool isFlag = fields.flagOr(name, false);
  if (!fields.ok())
    return SamplingDefaults::EarlyStopping::Never;
  return isFlag ? SamplingDefaults::EarlyStopping::Yes : SamplingDefaults::EarlyStopping::No;
}

absl::Status readSampling(const Checkpoint &checkpoint, SamplingDefaults &sampling) {
  Hyperparameters fields = checkpoint.generationDefaults();
  auto number = [&](Name name) {
    return fields.has(name) ? std::optional(fields.number(name)) : std::nullopt;
  };
  sampling.temperature = number({"temperature", "general.sampling.temp"});
  sampling.topP = number({"top_p", "general.sampling.top_p"});
  sampling.minP = number({"min_p", "general.sampling.min_p"});
  sampling.repetitionPenalty = number({"repetition_penalty", "general.sampling.penalty_repeat"});
  if (constexpr Name topK = {"top_k", "general.sampling.top_k"}; fields.has(topK))
    sampling.topK = fields.integerOr(topK, 0, -1, INT32_MAX);
  if (constexpr Name sample = {"do_sample", ""}; fields.has(sample))
    sampling.sample = fields.flagOr(sample, false);
  return fields.status();
}

Pooling::Mode modeOf(hf::Pooling pooling) {
  switch (pooling) {
  case hf::Pooling::FirstToken:
    return Pooling::Mode::First;
  case hf::Pooling::Mean:
    return Pooling::Mode::Mean;
  case hf::Pooling::Max:
    return Pooling::Mode::Max;
  case hf::Pooling::LastToken:
    return Pooling::Mode::Last;
  case hf::Pooling::WeightedMean:
    return Pooling::Mode::WeightedMean;
  }
  llvm_unreachable("not a pooling");
}

/// Text that sentence-transformers puts into lower case before it meets the tokenizer.
absl::Status lowercaseFirst(std::string &serialized) {
  text::TokenizerModel tokenizer;
  if (!tokenizer.ParseFromString(serialized))
    return absl::InternalError("the imported tokenizer cannot be read back");
  tokenizer.add_normalizer()->mutable_lowercase();
  auto &steps = *tokenizer.mutable_normalizer();
  std::rotate(steps.begin(), steps.end() - 1, steps.end());
  serialized = tokenizer.SerializeAsString();
  return absl::OkStatus();
}

absl::Status readPooling(const Checkpoint &checkpoint, std::optional<Pooling::Mode> chosen, ModelInfo &info) {
  absl::StatusOr<std::optional<hf::SentenceEmbedding>> embedding = checkpoint.readEmbedding();
  if (!embedding.ok())
    return embedding.status();
  info.pooling.emplace();
  if (chosen)
    info.pooling->mode = *chosen;
  if (!*embedding)
    return info.causal && !chosen
               ? absl::InvalidArgumentError(absl::StrCat(
                     checkpoint.path(), ": does not say how the states of the tokens become one vector, "
                                        "expected modules.json or --pooling"))
               : absl::OkStatus();
  const hf::SentenceEmbedding &found = **embedding;
  info.pooling = Pooling{chosen.value_or(modeOf(found.pooling)), found.normalize};
  info.sizes.contextLength =
      std::min(found.maxTokens.value_or(info.sizes.contextLength), info.sizes.contextLength);
  return found.lowercase && !info.tokenizer.empty() ? lowercaseFirst(info.tokenizer) : absl::OkStatus();
}

/// How texts of a model with an encoder and a decoder are searched for, and what they must be like.
absl::Status readSearch(const Checkpoint &checkpoint, SamplingDefaults &sampling) {
  Hyperparameters fields = checkpoint.generationDefaults();
  auto id = [&](Name name) {
    return fields.has(name) ? std::optional(fields.integerOr(name, 0, 0, INT32_MAX)) : std::nullopt;
  };
  constexpr Name beams = {"num_beams", ""}, penalty = {"length_penalty", ""},
                 stopping = {"early_stopping", ""}, words = {"bad_words_ids", ""};
  if (fields.has(beams))
    sampling.beams = fields.integerOr(beams, 1, 1, 64);
  if (fields.has(penalty))
    sampling.lengthPenalty = fields.number(penalty);
  fields.expect(stopping, {true, false, std::string("never")});
  if (fields.ok() && fields.has(stopping))
    sampling.earlyStopping = readEarlyStopping(fields, stopping);
  for (const std::vector<int64_t> &word : fields.integerLists(words)) {
    if (word.size() != 1)
      fields.fail(words, absl::StrCat("has a word of ", word.size(), " tokens, expected words of one token"));
    sampling.suppressed.insert(sampling.suppressed.end(), word.begin(), word.end());
  }
  sampling.first = id({"forced_bos_token_id", ""});
  sampling.last = id({"forced_eos_token_id", ""});
  sampling.noRepeat = fields.integerOr({"no_repeat_ngram_size", ""}, 0, 0, INT32_MAX);
  // These count the start token and the one that ends a text: the one or the other.
  const int64_t length = fields.integerOr({"min_length", ""}, 0, 0, INT32_MAX);
  sampling.minTokens =
      std::max(fields.integerOr({"min_new_tokens", ""}, 0, 0, INT32_MAX), std::max<int64_t>(length - 1, 0));
  const std::pair<const char *, double> neutral[] = {{"num_beam_groups", 1},
                                                     {"diversity_penalty", 0},
                                                     {"encoder_no_repeat_ngram_size", 0},
                                                     {"encoder_repetition_penalty", 1},
                                                     {"guidance_scale", 1}};
  for (auto [option, value] : neutral)
    fields.expect({option, ""}, {value});
  for (const char *option : {"exponential_decay_length_penalty", "suppress_tokens", "begin_suppress_tokens",
                             "sequence_bias", "force_words_ids", "constraints"})
    fields.refuse({option, ""}, "texts of this model are searched for without it");
  return fields.status();
}

absl::Status readInfo(const Checkpoint &checkpoint, const ImportOptions &options, ModelInfo &info) {
  if (options.tokenizer) {
    absl::StatusOr<std::string> tokenizer = checkpoint.readTokenizer();
    if (!tokenizer.ok())
      return tokenizer.status();
    info.tokenizer = std::move(*tokenizer);
  }
  switch (info.kind) {
  case ModelKind::Generate: {
    absl::Status status = readSampling(checkpoint, info.sampling);
    if (info.startToken)
      status.Update(readSearch(checkpoint, info.sampling));
    return status;
  }
  case ModelKind::Embed:
    return readPooling(checkpoint, options.pooling, info);
  case ModelKind::Predict:
    return absl::OkStatus();
  }
  llvm_unreachable("not a kind of model");
}

/// Whether `name` is the class of a decoder without its head. GPT2LMHeadModel and MarianMTModel have theirs.
bool isWithoutHead(const Family &family, StringRef name) {
  return family.kind == ModelKind::Generate && name.ends_with("Model") && !name.ends_with("HeadModel") &&
         !name.ends_with("MTModel");
}

/// Has a decoder whose states are wanted read without its head.
absl::Status chooseEnd(const Family &family, Checkpoint &checkpoint, const ImportOptions &options) {
  if (family.kind != ModelKind::Generate || &family == &kOnnx)
    return absl::OkStatus();
  if (options.pooling || isWithoutHead(family, checkpoint.architecture())) {
    checkpoint.leaveOutHead();
    return absl::OkStatus();
  }
  absl::StatusOr<std::optional<hf::SentenceEmbedding>> embedding = checkpoint.readEmbedding();
  if (!embedding.ok())
    return embedding.status();
  if (*embedding)
    checkpoint.leaveOutHead();
  return absl::OkStatus();
}

void loadDialects(MLIRContext *context) {
  context->loadDialect<nn::NNDialect, func::FuncDialect, arith::ArithDialect, math::MathDialect>();
}

/// What `family` made of `checkpoint`: all but its tokenizer and how it generates.
ImportedModel takeGraph(Graph graph, const Family &family, const Checkpoint &checkpoint) {
  ImportedModel model;
  model.module = std::move(graph.module);
  model.description = std::move(graph.description);
  model.info.name = checkpoint.card().name;
  model.info.licence = checkpoint.card().licence;
  model.info.family = family.name;
  model.info.architecture = checkpoint.architecture();
  model.info.kind = graph.head ? ModelKind::Predict : graph.kind.value_or(family.kind);
  model.info.head = graph.head;
  model.info.causal = model.info.kind == ModelKind::Embed && family.kind == ModelKind::Generate;
  model.info.startToken = graph.startToken;
  model.info.sizes = graph.sizes;
  if (graph.definition)
    model.definition = spec::complete(*std::move(graph.definition), /*vocabulary=*/0);
  return model;
}

/// Has weights that end a residual branch begin smaller by the root of their number, and the table of
/// positions by half, in models with norms before each part (Radford et al., 2019).
void initializeBranches(ModuleOp module, const spec::ModelDefinition &definition) {
  if (definition.norm().placement() != spec::Norm::BEFORE)
    return;
  Builder builder(module.getContext());
  auto begin = [&](Value parameter, double deviation) {
    if (auto load = parameter.getDefiningOp<nn::LoadOp>())
      module.lookupSymbol(load.getParam())
          ->setAttr(spec::kDeviationAttribute, builder.getF64FloatAttr(deviation));
  };
  module.walk([&](func::CallOp call) {
    auto layer = module.lookupSymbol<func::FuncOp>(call.getCallee());
    for (auto sum : layer.getOps<arith::AddFOp>())
      if (auto product = sum.getRhs().getDefiningOp<nn::LinearOp>())
        if (auto weight = dyn_cast<BlockArgument>(product.getWeight()))
          begin(call.getOperand(weight.getArgNumber()),
                spec::kDeviation / std::sqrt(2.0 * definition.layers()));
  });
  auto forward = module.lookupSymbol<func::FuncOp>("forward");
  for (auto embedding : forward.getOps<nn::EmbeddingOp>())
    if (embedding.getIds() == forward.getArgument(1))
      begin(embedding.getTable(), spec::kDeviation / 2);
}

absl::StatusOr<Graph> buildGraph(const Family &family, Checkpoint &checkpoint, const ImportOptions &options,
                                 MLIRContext *context) {
  if (options.headToTrain) {
    if (!family.buildWithHead)
      return absl::UnimplementedError(absl::StrCat(checkpoint.path(), ": ", checkpoint.architecture(),
                                                   " is no encoder, expected one to train a head of"));
    return family.buildWithHead(checkpoint, *options.headToTrain, context);
  }
  const std::optional<HeadTask> task = headTaskOf(checkpoint.architecture());
  if (!task || !family.buildWithHead || !options.head || options.pooling)
    return family.build(checkpoint, context);
  // What sentence-transformers trains are hidden states, whatever else the checkpoint was.
  absl::StatusOr<std::optional<hf::SentenceEmbedding>> embedding = checkpoint.readEmbedding();
  if (!embedding.ok())
    return embedding.status();
  return *embedding ? family.build(checkpoint, context) : family.buildWithHead(checkpoint, {*task}, context);
}

} // namespace

absl::StatusOr<ImportedModel>
llmc::frontend::importModel(const std::string &path, const ImportOptions &options, MLIRContext *context) {
  absl::StatusOr<std::unique_ptr<Checkpoint>> checkpoint = openCheckpoint(path);
  if (!checkpoint.ok())
    return checkpoint.status();
  absl::StatusOr<const Family *> family = findFamily(**checkpoint);
  if (!family.ok())
    return family.status();
  loadDialects(context);
  if (absl::Status status = chooseEnd(**family, **checkpoint, options); !status.ok())
    return status;
  absl::StatusOr<Graph> graph = buildGraph(**family, **checkpoint, options, context);
  if (!graph.ok())
    return graph.status();
  if (graph->head && !options.head)
    return absl::UnimplementedError(absl::StrCat(
        path, ": its graph ends with a head, expected one whose outputs are hidden states for --no-head"));

  ImportedModel model = takeGraph(*std::move(graph), **family, **checkpoint);
  if (model.info.kind != ModelKind::Embed && (options.pooling || !(*checkpoint)->wantsHead()))
    return absl::UnimplementedError(absl::StrCat(path, ": ", (*checkpoint)->architecture(),
                                                 " is not supported without its head, which embeddings are "
                                                 "made without"));
  if (absl::Status status = readInfo(**checkpoint, options, model.info); !status.ok())
    return status;
  annotate(*model.module, model.info);
  model.files = (*checkpoint)->files();
  model.source = std::move(*checkpoint);
  std::vector<AdapterChoice> merged, separate;
  for (const AdapterChoice &adapter : options.adapters)
    (adapter.name.empty() ? merged : separate).push_back(adapter);
  absl::Status status = mergeAdapters(model, merged, options.adaptedType);
  if (status.ok())
    status = addSeparateAdapters(model, separate);
  if (status.ok())
    status = verifyModule(path, *model.module);
  if (!status.ok())
    return status;
  return model;
}

absl::StatusOr<ImportedModel> llmc::frontend::importDefinition(const spec::ModelDefinition &definition,
                                                               const std::string &source,
                                                               MLIRContext *context) {
  const Family &family = familyOf(definition);
  loadDialects(context);
  auto checkpoint =
      std::make_unique<DefinitionCheckpoint>(source, spec::ModelDefinition::Family_Name(definition.family()));
  if (definition.head().kind() == spec::Head::NONE && family.kind == ModelKind::Generate)
    checkpoint->leaveOutHead();
  absl::StatusOr<Graph> graph = family.buildDefined(definition, *checkpoint, context);
  if (!graph.ok())
    return graph.status();
  ImportedModel model = takeGraph(*std::move(graph), family, *checkpoint);
  model.info.architecture = model.description.huggingFaceArchitecture;
  initializeBranches(*model.module, definition);
  annotate(*model.module, model.info);
  model.source = std::move(checkpoint);
  if (absl::Status status = verifyModule(source, *model.module); !status.ok())
    return status;
  return model;
}
