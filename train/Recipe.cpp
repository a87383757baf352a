#include "train/Recipe.h"

#include "frontend/spec/Definition.h"
#include "runtime/io/MappedFile.h"
#include "train/LossScale.h"

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"

#include <bit>
#include <google/protobuf/descriptor.h>

namespace llmc::train {

namespace {

absl::Status wrong(absl::string_view field, const std::string &found, absl::string_view expected) {
  return absl::InvalidArgumentError(absl::StrCat(field, " is ", found, ", expected ", expected));
}

absl::Status checkNumber(absl::string_view field, double value, double least, double most) {
  if (value >= least && value <= most)
    return absl::OkStatus();
  return wrong(field, absl::StrCat(value), absl::StrCat(least, " to ", most));
}

absl::Status completeOptimizer(Optimizer &optimizer) {
  auto setDefault = [](double value, double otherwise) { return value == 0 ? otherwise : value; };
  if (optimizer.kind_case() == Optimizer::KIND_NOT_SET)
    optimizer.mutable_adamw()->set_weight_decay(0.1);
  std::vector<std::pair<const char *, std::pair<double, double>>> numbers; // and what they must be below
  if (optimizer.has_adamw()) {
    Optimizer::AdamW &adamw = *optimizer.mutable_adamw();
    adamw.set_beta1(setDefault(adamw.beta1(), 0.9));
    adamw.set_beta2(setDefault(adamw.beta2(), 0.95));
    adamw.set_epsilon(setDefault(adamw.epsilon(), 1e-8));
    numbers = {{"optimizer.adamw.beta1", {adamw.beta1(), 1}},
               {"optimizer.adamw.beta2", {adamw.beta2(), 1}},
               {"optimizer.adamw.epsilon", {adamw.epsilon(), 1}},
               {"optimizer.adamw.weight_decay", {adamw.weight_decay(), 1000}}};
  } else if (optimizer.has_muon()) {
    Optimizer::Muon &muon = *optimizer.mutable_muon();
    muon.set_momentum(setDefault(muon.momentum(), 0.95));
    muon.set_beta1(setDefault(muon.beta1(), 0.9));
    muon.set_beta2(setDefault(muon.beta2(), 0.95));
    muon.set_epsilon(setDefault(muon.epsilon(), 1e-8));
    numbers = {{"optimizer.muon.momentum", {muon.momentum(), 1}},
               {"optimizer.muon.beta1", {muon.beta1(), 1}},
               {"optimizer.muon.beta2", {muon.beta2(), 1}},
               {"optimizer.muon.epsilon", {muon.epsilon(), 1}},
               {"optimizer.muon.weight_decay", {muon.weight_decay(), 1000}}};
  } else if (optimizer.has_adafactor()) {
    Optimizer::Adafactor &adafactor = *optimizer.mutable_adafactor();
    adafactor.set_decay(setDefault(adafactor.decay(), 0.8));
    adafactor.set_clip_threshold(setDefault(adafactor.clip_threshold(), 1));
    adafactor.set_epsilon1(setDefault(adafactor.epsilon1(), 1e-30));
    adafactor.set_epsilon2(setDefault(adafactor.epsilon2(), 1e-3));
    numbers = {{"optimizer.adafactor.decay", {adafactor.decay(), 10}},
               {"optimizer.adafactor.clip_threshold", {adafactor.clip_threshold(), 1e6}},
               {"optimizer.adafactor.epsilon1", {adafactor.epsilon1(), 1}},
               {"optimizer.adafactor.epsilon2", {adafactor.epsilon2(), 1000}},
               {"optimizer.adafactor.weight_decay", {adafactor.weight_decay(), 1000}}};
  } else if (optimizer.has_sgd()) {
    numbers = {{"optimizer.sgd.momentum", {optimizer.sgd().momentum(), 1}},
               {"optimizer.sgd.weight_decay", {optimizer.sgd().weight_decay(), 1000}}};
  } else {
    Optimizer::Lion &lion = *optimizer.mutable_lion();
    lion.set_beta1(setDefault(lion.beta1(), 0.9));
    lion.set_beta2(setDefault(lion.beta2(), 0.99));
    numbers = {{"optimizer.lion.beta1", {lion.beta1(), 1}},
               {"optimizer.lion.beta2", {lion.beta2(), 1}},
               {"optimizer.lion.weight_decay", {lion.weight_decay(), 1000}}};
  }
  for (auto [field, value] : numbers)
    if (!(value.first >= 0 && value.first < value.second))
      return wrong(field, absl::StrCat(value.first), absl::StrCat("0 to less than ", value.second));
  return absl::OkStatus();
}

} // namespace

absl::StatusOr<Recipe> readRecipe(absl::string_view path) {
  absl::StatusOr<io::MappedFile> file = io::MappedFile::open(path);
  if (!file.ok())
    return file.status();
  Recipe recipe;
  const absl::Span<const uint8_t> bytes = file->bytes();
  if (absl::Status status = spec::parseText(
          path, absl::string_view(reinterpret_cast<const char *>(bytes.data()), bytes.size()), recipe);
      !status.ok())
    return status;
  return recipe;
}

absl::Status overrideSetting(absl::string_view setting, Run &run) {
  const size_t equals = setting.find('=');
  if (equals == absl::string_view::npos || equals == 0)
    return absl::InvalidArgumentError(absl::StrCat("'", setting, "': expected FIELD=VALUE"));
  // schedule.kind=LINEAR is the text schedule { kind: LINEAR }.
  std::string text, closing;
  absl::string_view field = setting.substr(0, equals), value = setting.substr(equals + 1);
  for (size_t dot; (dot = field.find('.')) != absl::string_view::npos; field.remove_prefix(dot + 1)) {
    absl::StrAppend(&text, field.substr(0, dot), " { ");
    closing += " }";
  }
  const google::protobuf::FieldDescriptor *descriptor =
      closing.empty() ? Run::descriptor()->FindFieldByName(std::string(field)) : nullptr;
  const bool isText = descriptor && descriptor->type() == google::protobuf::FieldDescriptor::TYPE_STRING;
  const std::string written =
      isText ? absl::StrCat("\"", absl::StrReplaceAll(value, {{"\\", "\\\\"}, {"\"", "\\\""}}), "\"")
             : std::string(value);
  absl::StrAppend(&text, field, ": ", written, closing);
  return spec::parseText(absl::StrCat("'", setting, "'"), text, run);
}

absl::Status checkRun(const Run &run) {
  if (run.steps() == 0 || run.steps() > 1000000000)
    return wrong("run.steps", absl::StrCat(run.steps()), "1 to 1000000000");
  if (absl::Status status = checkNumber("run.learning_rate", run.learning_rate(), 1e-12, 1000); !status.ok())
    return status;
  if (absl::Status status = checkNumber("run.clip_norm", run.clip_norm(), 0, 1e12); !status.ok())
    return status;
  if (absl::Status status = checkNumber("run.schedule.final_fraction", run.schedule().final_fraction(), 0, 1);
      !status.ok())
    return status;
  if (run.schedule().warmup_steps() > run.steps())
    return wrong("run.schedule.warmup_steps", absl::StrCat(run.schedule().warmup_steps()),
                 absl::StrCat("at most run.steps (", run.steps(), ")"));
  if (run.schedule().kind() == Schedule::WARMUP_STABLE_DECAY &&
      (run.schedule().decay_steps() == 0 || run.schedule().decay_steps() > run.steps()))
    return wrong("run.schedule.decay_steps", absl::StrCat(run.schedule().decay_steps()),
                 absl::StrCat("1 to run.steps (", run.steps(), ")"));
  if (!std::has_single_bit(run.loss_scale()) || run.loss_scale() > LossScale::kLargest)
    return wrong("run.loss_scale", absl::StrCat(run.loss_scale()),
                 absl::StrCat("a power of two up to ", LossScale::kLargest));
  if (absl::Status status = checkNumber("run.peak_gflops", run.peak_gflops(), 0, 1e12); !status.ok())
    return status;
  if (run.accumulation() > 65536)
    return wrong("run.accumulation", absl::StrCat(run.accumulation()), "1 to 65536");
  if (absl::Status status = checkNumber("run.samples.temperature", run.samples().temperature(), 0, 1000);
      !status.ok())
    return status;
  if (run.train_data().empty())
    return absl::InvalidArgumentError("run.train_data is missing, expected a file of llmc data pack");
  if (run.output().empty())
    return absl::InvalidArgumentError("run.output is missing, expected a folder for checkpoints and logs");
  return absl::OkStatus();
}

namespace {

/// Where the model comes from: exactly one of the fields that say.
absl::Status checkSource(const Recipe &recipe) {
  std::vector<absl::string_view> there;
  if (!recipe.preset().empty())
    there.push_back("preset");
  if (recipe.has_model())
    there.push_back("model");
  if (!recipe.checkpoint().empty())
    there.push_back("checkpoint");
  if (there.size() == 1)
    return absl::OkStatus();
  return absl::InvalidArgumentError(
      there.empty() ? std::string("preset, model and checkpoint are all missing, expected one of them")
                    : absl::StrCat(absl::StrJoin(there, " and "), " are ", there.size() == 2 ? "both" : "all",
                                   " there, expected one of them"));
}

/// Has `model` predict what the objective asks for.
absl::Status chooseHead(const Objective &objective, spec::ModelDefinition &model) {
  using spec::Head;
  if (objective.kind_case() == Objective::KIND_NOT_SET)
    return absl::OkStatus();
  if (!spec::isEncoder(model))
    return wrong("model.family", spec::ModelDefinition::Family_Name(model.family()),
                 "an encoder for this objective");
  Head wanted;
  if (objective.has_masked_tokens()) {
    wanted.set_kind(Head::MASKED_TOKENS);
  } else if (objective.has_contrastive()) {
    wanted.set_kind(Head::NONE);
  } else if (objective.has_token_classification()) {
    wanted.set_kind(Head::TOKEN_CLASSIFICATION);
    *wanted.mutable_labels() = objective.token_classification().names();
  } else {
    wanted.set_kind(Head::SEQUENCE_CLASSIFICATION);
    *wanted.mutable_labels() = objective.sequence_classification().names();
    if (objective.has_regression()) {
      wanted.set_problem(Head::REGRESSION);
      wanted.add_labels("LABEL_0");
    }
  }
  if (const Head::Kind found = model.head().kind(); found != Head::KIND_UNSPECIFIED && found != wanted.kind())
    return wrong("model.head.kind", Head::Kind_Name(found),
                 absl::StrCat(Head::Kind_Name(wanted.kind()), " for this objective"));
  const Head &given = model.head();
  const bool hasOtherLabels = given.labels_size() > 0 && !absl::c_equal(given.labels(), wanted.labels());
  if (hasOtherLabels)
    return wrong("model.head.labels", absl::StrJoin(given.labels(), ", "),
                 absl::StrCat("those of the objective: ", absl::StrJoin(wanted.labels(), ", ")));
  const Head::Problem problem =
      objective.has_sequence_classification() ? Head::SINGLE_LABEL : wanted.problem();
  if (given.problem() != Head::PROBLEM_UNSPECIFIED && given.problem() != problem)
    return wrong("model.head.problem", Head::Problem_Name(given.problem()),
                 absl::StrCat(Head::Problem_Name(problem), ", which the objective trains"));
  if (given.softcap() != 0)
    return wrong("model.head.softcap", absl::StrCat(given.softcap()), "none for this objective");
  *model.mutable_head() = std::move(wanted);
  return absl::OkStatus();
}

/// The model of a recipe without a checkpoint, defined in full.
absl::Status completeModel(Recipe &recipe, int64_t vocabulary) {
  if (!recipe.preset().empty()) {
    absl::StatusOr<spec::ModelDefinition> preset = spec::preset(recipe.preset());
    if (!preset.ok())
      return preset.status();
    *recipe.mutable_model() = *std::move(preset);
    recipe.clear_preset();
    if (vocabulary != 0)
      recipe.mutable_model()->set_vocabulary(vocabulary);
  }
  if (absl::Status status = chooseHead(recipe.objective(), *recipe.mutable_model()); !status.ok())
    return status;
  absl::StatusOr<spec::ModelDefinition> model = spec::complete(recipe.model(), vocabulary);
  if (!model.ok())
    return model.status();
  if (model->has_decoder())
    return absl::UnimplementedError(
        "model: has an encoder and a decoder, which are trained from a checkpoint only");
  *recipe.mutable_model() = *std::move(model);
  return absl::OkStatus();
}

absl::Status completeObjective(Recipe &recipe) {
  if (!recipe.has_objective() || recipe.objective().kind_case() == Objective::KIND_NOT_SET)
    return absl::OkStatus();
  const bool isPreference = recipe.objective().has_preference();
  if (isPreference && recipe.checkpoint().empty())
    return absl::InvalidArgumentError(
        "objective.preference begins with a model that is there, expected a checkpoint");
  if (recipe.objective().has_sequence_to_sequence() && recipe.checkpoint().empty())
    return absl::InvalidArgumentError("objective.sequence_to_sequence is for models with an encoder and a "
                                      "decoder, expected a checkpoint of one");
  if (recipe.has_lora() && !isPreference)
    return absl::UnimplementedError(
        "lora and objective are both there, which is supported for objective.preference only");
  if (recipe.objective().has_contrastive()) {
    Objective::Contrastive &contrastive = *recipe.mutable_objective()->mutable_contrastive();
    if (contrastive.temperature() == 0)
      contrastive.set_temperature(0.05);
    return checkNumber("objective.contrastive.temperature", contrastive.temperature(), 1e-3, 100);
  }
  if (isPreference) {
    Objective::Preference &preference = *recipe.mutable_objective()->mutable_preference();
    if (preference.beta() == 0)
      preference.set_beta(0.1);
    return checkNumber("objective.preference.beta", preference.beta(), 1e-6, 1000);
  }
  if (!recipe.objective().has_masked_tokens())
    return absl::OkStatus();
  Objective::MaskedTokens &masked = *recipe.mutable_objective()->mutable_masked_tokens();
  if (masked.part() == 0)
    masked.set_part(0.15);
  return checkNumber("objective.masked_tokens.part", masked.part(), 1e-6, 1);
}

absl::Status checkDropout(const Recipe &recipe) {
  const Dropout &dropout = recipe.dropout();
  const std::pair<const char *, double> rates[] = {{"dropout.embedding", dropout.embedding()},
                                                   {"dropout.residual", dropout.residual()},
                                                   {"dropout.lora", dropout.lora()}};
  for (auto [field, rate] : rates)
    if (absl::Status status = checkNumber(field, rate, 0, 0.999); !status.ok())
      return status;
  if (dropout.lora() > 0 && !recipe.has_lora())
    return absl::InvalidArgumentError("dropout.lora is for adapters, expected lora");
  return absl::OkStatus();
}

absl::Status checkGroups(const Recipe &recipe) {
  for (int i = 0; i < recipe.groups_size(); ++i) {
    const ParameterGroup &group = recipe.groups(i);
    const std::string place = absl::StrCat("groups[", i, "].");
    if (group.parameters().empty())
      return absl::InvalidArgumentError(
          absl::StrCat(place, "parameters is missing, expected a pattern of names"));
    if (absl::Status status = checkNumber(place + "learning_rate", group.learning_rate(), 0, 1e6);
        !status.ok())
      return status;
    if (absl::Status status = checkNumber(place + "weight_decay", group.weight_decay(), 0, 1000);
        !status.ok())
      return status;
  }
  return absl::OkStatus();
}

absl::Status completeDistillation(Recipe &recipe) {
  Distillation &distillation = *recipe.mutable_distillation();
  if (distillation.teacher().empty())
    return absl::InvalidArgumentError("distillation.teacher is missing, expected a folder with a model");
  const Objective &objective = recipe.objective();
  if (objective.has_regression() || objective.has_contrastive() || objective.has_preference())
    return absl::InvalidArgumentError(
        "distillation is of probabilities of tokens or labels, which this objective does not ask for");
  if (distillation.temperature() == 0)
    distillation.set_temperature(1);
  if (distillation.weight() == 0)
    distillation.set_weight(0.5);
  if (absl::Status status = checkNumber("distillation.temperature", distillation.temperature(), 0.01, 100);
      !status.ok())
    return status;
  return checkNumber("distillation.weight", distillation.weight(), 0, 1);
}

absl::Status completeLora(Recipe &recipe) {
  Lora &lora = *recipe.mutable_lora();
  if (lora.rank() == 0)
    lora.set_rank(8);
  if (lora.rank() > 65536)
    return wrong("lora.rank", absl::StrCat(lora.rank()), "1 to 65536");
  if (lora.alpha() == 0)
    lora.set_alpha(2 * lora.rank());
  if (absl::Status status = checkNumber("lora.alpha", lora.alpha(), 1e-6, 1e6); !status.ok())
    return status;
  if (recipe.run().start_from().empty())
    return absl::InvalidArgumentError(
        "lora adapts a model that is there already, expected a checkpoint or run.start_from");
  return absl::OkStatus();
}

absl::Status completeSamples(Recipe &recipe) {
  if (!recipe.run().has_samples())
    return absl::OkStatus();
  if (recipe.objective().kind_case() != Objective::KIND_NOT_SET)
    return absl::UnimplementedError(
        "run.samples are of models that predict the next token, expected no objective");
  Samples &samples = *recipe.mutable_run()->mutable_samples();
  if (samples.tokens() == 0)
    samples.set_tokens(64);
  if (!samples.has_temperature())
    samples.set_temperature(1);
  return absl::OkStatus();
}

} // namespace

int64_t groupSizeOf(const Objective &objective) {
  if (objective.has_contrastive())
    return objective.contrastive().hard_negatives() ? 3 : 2;
  return objective.has_preference() || objective.has_sequence_to_sequence() ? 2 : 1;
}

bool hasGroupsInBatch(const Objective &objective) {
  return objective.has_contrastive() || objective.has_preference();
}

const std::string &referenceOf(const Recipe &recipe, const Run &run) {
  if (!run.reference().empty())
    return run.reference();
  return recipe.has_distillation() ? recipe.distillation().teacher() : run.start_from();
}

absl::StatusOr<Recipe> complete(Recipe recipe, int64_t vocabulary, std::optional<int64_t> checkpointContext) {
  if (absl::Status status = checkSource(recipe); !status.ok())
    return status;
  if (!recipe.checkpoint().empty() && recipe.run().start_from().empty())
    recipe.mutable_run()->set_start_from(recipe.checkpoint());
  if (absl::Status status = completeObjective(recipe); !status.ok())
    return status;
  if (absl::Status status = completeSamples(recipe); !status.ok())
    return status;
  if (recipe.has_lora())
    if (absl::Status status = completeLora(recipe); !status.ok())
      return status;
  if (absl::Status status = checkDropout(recipe); !status.ok())
    return status;
  if (recipe.has_distillation())
    if (absl::Status status = completeDistillation(recipe); !status.ok())
      return status;
  if (absl::Status status = checkGroups(recipe); !status.ok())
    return status;
  if (absl::Status status = checkNumber("average", recipe.average(), 0, 0.999999); !status.ok())
    return status;
  if (absl::Status status = checkNumber("label_smoothing", recipe.label_smoothing(), 0, 0.999); !status.ok())
    return status;
  if (recipe.label_smoothing() > 0 && recipe.objective().has_regression())
    return absl::InvalidArgumentError("label_smoothing is of targets, which objective.regression has not");
  int64_t context = 0;
  if (checkpointContext) { // whose tokenizer may have tokens that the model has not, as Gemma 3's
    context = *checkpointContext;
  } else {
    if (absl::Status status = completeModel(recipe, vocabulary); !status.ok())
      return status;
    context = recipe.model().context();
  }
  BatchSize &batch = *recipe.mutable_batch();
  if (batch.sequences() == 0)
    batch.set_sequences(8);
  if (batch.length() == 0)
    batch.set_length(context);
  if (batch.length() > context)
    return wrong("batch.length", absl::StrCat(batch.length()),
                 absl::StrCat("at most the model's context (", context, ")"));
  if (batch.sequences() > 65536)
    return wrong("batch.sequences", absl::StrCat(batch.sequences()), "1 to 65536");
  if (batch.source_length() == 0 && recipe.objective().has_sequence_to_sequence())
    batch.set_source_length(batch.length());
  if (batch.source_length() > 0 && !recipe.objective().has_sequence_to_sequence())
    return wrong("batch.source_length", absl::StrCat(batch.source_length()),
                 "nothing without objective.sequence_to_sequence");
  if (batch.source_length() > context)
    return wrong("batch.source_length", absl::StrCat(batch.source_length()),
                 absl::StrCat("at most the model's context (", context, ")"));
  if (const int64_t size = groupSizeOf(recipe.objective());
      hasGroupsInBatch(recipe.objective()) && batch.sequences() % size != 0)
    return wrong("batch.sequences", absl::StrCat(batch.sequences()),
                 absl::StrCat("a multiple of ", size, ", the texts that belong together"));
  // What is right has to be told from something.
  if (recipe.objective().has_contrastive() && !recipe.objective().contrastive().hard_negatives() &&
      batch.sequences() < 4)
    return wrong("batch.sequences", absl::StrCat(batch.sequences()),
                 "at least two groups of 2 for objective.contrastive without hard_negatives");
  if (absl::Status status = completeOptimizer(*recipe.mutable_optimizer()); !status.ok())
    return status;
  if (recipe.precision() == PRECISION_UNSPECIFIED)
    recipe.set_precision(F32);
  Run &run = *recipe.mutable_run();
  if (run.accumulation() == 0)
    run.set_accumulation(1);
  if (run.evaluation_batches() == 0)
    run.set_evaluation_batches(20);
  if (run.keep_checkpoints() == 0)
    run.set_keep_checkpoints(2);
  if (run.loss_scale() == 0)
    run.set_loss_scale(LossScale::kFirst);
  if (run.log_every() == 0)
    run.set_log_every(1);
  if (run.schedule().kind() == Schedule::KIND_UNSPECIFIED)
    run.mutable_schedule()->set_kind(Schedule::COSINE);
  return recipe;
}

} // namespace llmc::train
