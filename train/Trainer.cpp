#include "train/Trainer.h"

#include "runtime/io/AtomicFile.h"
#include "train/Average.h"
#include "train/EventFile.h"
#include "train/Hyperparameters.h"
#include "train/Initialize.h"
#include "train/NumericChecks.h"
#include "train/ObjectiveData.h"
#include "train/Recipe.h"
#include "train/Schedule.h"
#include "train/StepInputs.h"
#include "train/TextSampler.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <unistd.h>
#include <utility>

namespace llmc::train {

namespace {

using Json = nlohmann::ordered_json;

/// Hours, minutes and seconds.
std::string duration(double seconds) {
  const auto whole = static_cast<int64_t>(seconds);
  if (whole < 3600)
    return absl::StrFormat("%d:%02d", whole / 60, whole % 60);
  return absl::StrFormat("%d:%02d:%02d", whole / 3600, whole / 60 % 60, whole % 60);
}

class TrainingRun {
public:
  TrainingRun(Program &program, const Recipe &recipe, const Run &settings, const RunOptions &options,
              const std::atomic<bool> &stop, const TokenFile &trainData, const TokenFile *heldOut)
      : program(program), recipe(recipe), settings(settings), options(options), stop(stop), heldOut(heldOut),
        masking(program.training().masking(), program.manifest().vocabulary_size(), settings.seed()),
        stream(trainData, streamOptions(trainData, Order::Shuffled)),
        sequences(program.training().sequences()), length(program.training().length()),
        onTerminal(isatty(STDERR_FILENO) != 0 && !options.quiet),
        checks(program.operandsWith("loss", kCheckPrefix)) {}

  absl::StatusOr<Ending> run() {
    if (options.profiledSteps > 0)
      return profile();
    if (settings.samples().every() > 0) {
      absl::StatusOr<TextSampler> made = TextSampler::create(program, settings);
      if (!made.ok())
        return made.status();
      samples.emplace(*std::move(made));
    }
    if (absl::Status status = begin(); !status.ok())
      return status;
    while (progress.step < settings.steps()) {
      if (absl::Status status = makeStep(); !status.ok())
        return status;
      const bool isLast = progress.step == settings.steps(), stops = stop.load();
      if (heldOut != nullptr && (isLast || isDue(settings.evaluate_every())))
        if (absl::Status status = evaluate(); !status.ok())
          return status;
      if (samples && (isLast || isDue(settings.samples().every())))
        if (absl::Status status = writeSample(); !status.ok())
          return status;
      if (isLast || stops || isDue(settings.checkpoint_every()))
        if (absl::Status status = save(); !status.ok())
          return status;
      if (stops && !isLast) {
        say(absl::StrCat("stopped at step ", progress.step, "; start again to go on from there"));
        return Ending::Stopped;
      }
    }
    say(absl::StrFormat("done: %d steps; %s", progress.step,
                        checkpointPath(settings.output(), progress.step)));
    return Ending::Complete;
  }

private:
  StreamOptions streamOptions(const TokenFile &file, Order order) const {
    StreamOptions options;
    options.labelNumbers = labelNumbers(file, recipe.objective());
    options.order = order;
    options.seed = order == Order::Shuffled ? settings.seed() : 0;
    options.predicted = predictedBy(recipe.objective());
    options.packing = recipe.objective().has_sequence_to_sequence() ? Packing::Pairs
                      : hasGroupsInBatch(recipe.objective())        ? Packing::Groups
                      : isOfDocuments()                             ? Packing::Whole
                                                                    : Packing::Split;
    options.masking = &masking;
    options.sourceLength = program.training().source_length();
    options.startToken = static_cast<int32_t>(program.training().start_token());
    return options;
  }

  /// Whether documents have labels, and so are not cut into parts.
  bool isOfDocuments() const {
    const Predicted predicted = predictedBy(recipe.objective());
    return predicted == Predicted::DocumentLabel || predicted == Predicted::TokenLabels ||
           predicted == Predicted::Number;
  }

  bool isDue(uint32_t every) const { return every != 0 && progress.step % every == 0; }

  //===--------------------------------------------------------------------===//
  // Beginning
  //===--------------------------------------------------------------------===//

  absl::Status begin() {
    std::error_code error;
    std::filesystem::create_directories(settings.output(), error);
    if (error)
      return absl::UnavailableError(absl::StrCat(settings.output(), ": cannot be made: ", error.message()));
    const std::vector<uint64_t> checkpoints = listCheckpoints(settings.output());
    if (absl::Status status = readReference(); !status.ok())
      return status;
    if (!checkpoints.empty() && !options.restart) {
      const std::string folder = checkpointPath(settings.output(), checkpoints.back());
      if (program.training().adapter())
        if (absl::Status status = readWeights(Part::Frozen); !status.ok())
          return status;
      absl::StatusOr<Progress> loaded = loadCheckpoint(folder, program);
      // Other errors are those of all checkpoints.
      if (absl::IsDataLoss(loaded.status()) || absl::IsNotFound(loaded.status()))
        return absl::Status(loaded.status().code(),
                            absl::StrCat(loaded.status().message(), "; ", otherBeginning(checkpoints)));
      if (!loaded.ok())
        return loaded.status();
      progress = *loaded;
      // A scale of 1 is that of other precisions, too.
      if (isHalf() && progress.lossScale.scale == 1 && progress.lossScale.skipped == 0)
        progress.lossScale.scale = settings.loss_scale();
      if (progress.step > settings.steps())
        return absl::InvalidArgumentError(absl::StrCat(
            folder, ": is of step ", progress.step, ", expected at most run.steps (", settings.steps(), ")"));
      if (!stream.canBeAt(progress.data))
        return absl::InvalidArgumentError(absl::StrCat(folder, "/trainer.json: is of another place than ",
                                                       settings.train_data(),
                                                       " has, expected the data that the run began with"));
      stream.setPosition(progress.data);
      say(absl::StrCat("going on from ", folder));
    } else {
      replaced = checkpoints;
      if (absl::Status status = initialize(); !status.ok())
        return status;
      if (absl::Status status = program.commit("parameters"); !status.ok())
        return status;
      if (isHalf())
        progress.lossScale.scale = settings.loss_scale();
      if (recipe.average() > 0)
        if (absl::Status status = beginAverages(program); !status.ok())
          return status;
    }
    if (const std::string name = program.deviceName(); !name.empty())
      say(absl::StrCat("training on ", name));
    return openLog();
  }

  /// What a run can begin with in place of the last one of `checkpoints`.
  std::string otherBeginning(const std::vector<uint64_t> &checkpoints) const {
    if (checkpoints.size() < 2)
      return "--restart begins anew";
    return absl::StrCat("remove that folder to go on from ",
                        checkpointPath(settings.output(), checkpoints[checkpoints.size() - 2]));
  }

  /// Reads the parameters of `part` from where the run starts.
  absl::Status readWeights(Part part) {
    say(absl::StrCat(part == Part::Frozen ? "adapting " : "beginning with ", settings.start_from()));
    return readSafetensors(settings.start_from(), program.tensors("parameters", part));
  }

  /// Reads the model that stays as it is beside the one that learns, if there is one.
  absl::Status readReference() {
    const std::vector<TensorView> tensors = program.tensors("parameters", Part::Reference);
    if (tensors.empty())
      return absl::OkStatus();
    const std::string &folder = referenceOf(recipe, settings);
    if (folder.empty())
      return absl::InvalidArgumentError(
          "run.reference is empty, expected a folder with the model that stays");
    say(absl::StrCat("beside ", folder));
    return readSafetensors(folder, tensors);
  }

  absl::Status initialize() {
    const bool isAdapter = program.training().adapter();
    if (settings.start_from().empty() && (isAdapter || !recipe.checkpoint().empty()))
      return absl::InvalidArgumentError(
          "run.start_from is empty, expected a folder with weights: this model is that of a checkpoint");
    if (!settings.start_from().empty())
      if (absl::Status status = readWeights(isAdapter ? Part::Frozen : Part::All); !status.ok() || !isAdapter)
        return status;
    const Part part = isAdapter ? Part::Trained : Part::All;
    const std::vector<TensorView> tensors = program.tensors("parameters", part);
    auto tensor = tensors.begin();
    for (int i = 0; i < program.training().initializers_size(); ++i) {
      if (!program.isOf(i, part))
        continue;
      const runtime::Initializer &initializer = program.training().initializers(i);
      const int64_t elements = elementsOf(*tensor);
      if (initializer.deviation() > 0)
        fillNormal(tensor->data, elements, initializer.deviation(), settings.seed(), tensor->name,
                   program.threads());
      else
        std::fill_n(tensor->data, elements, static_cast<float>(initializer.value()));
      ++tensor;
    }
    return absl::OkStatus();
  }

  /// One line of JSON for each step that is logged. Lines of steps that are made again go.
  absl::Status openLog() {
    const std::string path = absl::StrCat(settings.output(), "/log.jsonl");
    std::string kept;
    if (!options.restart) {
      std::ifstream old(path);
      for (std::string line; std::getline(old, line);) {
        const Json json = Json::parse(line, nullptr, false);
        if (json.is_object() && json.value("step", uint64_t{0}) <= progress.step && json.contains("step"))
          absl::StrAppend(&kept, line, "\n");
      }
    }
    absl::StatusOr<io::AtomicFile> file = io::AtomicFile::create(path);
    if (!file.ok())
      return file.status();
    (void)file->append(kept);
    if (absl::Status status = file->commit(); !status.ok())
      return status;
    log.open(path, std::ios::app);
    if (absl::Status status = checkLog(); !status.ok())
      return status;
    if (options.restart)
      removeEventFiles(settings.output());
    return settings.tensorboard() ? events.open(settings.output(), progress.step) : absl::OkStatus();
  }

  absl::Status checkLog() {
    log.flush();
    if (log.good())
      return absl::OkStatus();
    return absl::DataLossError(absl::StrCat(settings.output(), "/log.jsonl: cannot be written"));
  }

  //===--------------------------------------------------------------------===//
  // Steps
  //===--------------------------------------------------------------------===//

  /// Prints where the time of a GPU's steps goes: from new parameters on, with nothing of the run's folder.
  absl::StatusOr<Ending> profile() {
    Device *gpu = program.gpu();
    if (gpu == nullptr)
      return absl::UnimplementedError("--profile: shows the kernels of GPUs, but this trainer is for CPUs");
    if (absl::Status status = readReference(); !status.ok())
      return status;
    if (absl::Status status = initialize(); !status.ok())
      return status;
    if (absl::Status status = program.commit("parameters"); !status.ok())
      return status;
    std::vector<runtime::cuda::KernelTime> times;
    uint64_t done = 0;
    for (uint64_t step = 0; step <= options.profiledSteps && !stop.load(); ++step) {
      if (step == 1) // what happens once is over
        gpu->startProfile();
      if (absl::Status status = makeStep(); !status.ok())
        return status;
      if (step == 0)
        continue;
      absl::StatusOr<std::vector<runtime::cuda::KernelTime>> taken = gpu->takeProfile();
      if (!taken.ok())
        return taken.status();
      runtime::cuda::addTimes(*taken, times);
      ++done;
    }
    if (done == 0)
      return Ending::Stopped;
    double all = 0;
    int64_t launches = 0;
    for (const runtime::cuda::KernelTime &time : times) {
      all += time.seconds;
      launches += time.launches;
    }
    const auto steps = static_cast<double>(done);
    absl::PrintF("%s: %.3f ms of kernels in a step, %.0f launches, each with some time to launch it\n",
                 program.deviceName(), 1e3 * all / steps, static_cast<double>(launches) / steps);
    absl::PrintF("%10s %6s %9s %10s  %s\n", "ms", "%", "launches", "us each", "kernel");
    for (const runtime::cuda::KernelTime &time : times)
      absl::PrintF("%10.3f %6.2f %9.0f %10.1f  %s\n", 1e3 * time.seconds / steps, 100 * time.seconds / all,
                   static_cast<double>(time.launches) / steps,
                   1e6 * time.seconds / static_cast<double>(time.launches), time.kernel);
    return Ending::Complete;
  }

  /// Compiled code looks tokens up without a look at them. Targets are tokens too, of this batch or the next.
  absl::Status checkTokens(const Batch &batch, const std::string &path) const {
    const auto vocabulary = static_cast<int32_t>(program.manifest().vocabulary_size());
    // Labels are those of the model, which was seen when the file was opened.
    for (const std::vector<int32_t> *column :
         {&batch.tokens, &batch.sourceTokens, isOfDocuments() ? &batch.tokens : &batch.targets})
      for (int32_t token : *column)
        if (token < -1 || token >= vocabulary || (token < 0 && column != &batch.targets))
          return absl::DataLossError(absl::StrCat(path, ": has the token ", token,
                                                  ", expected one below the model's vocabulary of ",
                                                  vocabulary));
    return absl::OkStatus();
  }

  /// How many targets the largest outputs of the evaluation that was run last meet.
  int64_t countRight(const Batch &batch) {
    const int64_t width = program.manifest().output_width();
    const float *outputs = program.operand<float>("evaluate", "outputs");
    const std::vector<int32_t> &wanted = batch.choices.empty() ? batch.targets : batch.choices;
    int64_t right = 0;
    for (size_t row = 0; row < wanted.size(); ++row) {
      const float *begin = outputs + static_cast<int64_t>(row) * width;
      right += wanted[row] >= 0 && std::max_element(begin, begin + width) - begin == wanted[row];
    }
    return right;
  }

  /// The sum of the losses of the step that was run last.
  double sumLosses(const std::string &step) {
    const float *losses = program.operand<float>(step, "losses");
    return std::accumulate(losses, losses + program.elements(step, "losses"), 0.0);
  }

  absl::Status makeStep() {
    const absl::Time start = absl::Now();
    batches.resize(settings.accumulation());
    int64_t targets = 0, tokens = 0;
    for (Batch &batch : batches) {
      stream.next(sequences, length, batch);
      if (absl::Status status = checkTokens(batch, settings.train_data()); !status.ok())
        return status;
      targets += batch.targetCount;
      tokens += batch.tokenCount;
    }
    // Each loss counts as much, whichever batch it is in.
    firstWrong.clear();
    const auto scale = static_cast<double>(progress.lossScale.scale);
    const auto seed = targets > 0 ? static_cast<float>(scale / static_cast<double>(targets)) : 0.0F;
    double loss = 0;
    for (const Batch &batch : batches) {
      setInputs(program, "loss", batch);
      setDraw(program, settings.seed(), progress.step, &batch - batches.data());
      std::fill_n(program.operand<float>("loss", "seed0"), program.elements("loss", "seed0"), seed);
      if (absl::Status status = program.run("loss"); !status.ok())
        return status;
      loss += sumLosses("loss");
      if (firstWrong.empty())
        firstWrong = findNotFinite();
    }
    loss /= static_cast<double>(std::max<int64_t>(targets, 1));
    if (absl::Status status = program.run("norms"); !status.ok())
      return status;
    absl::StatusOr<double> norm = gradientNorm();
    const double rate = learningRate(settings, progress.step);
    const bool isSkipped = !norm.ok() && std::isfinite(loss) && isHalf() && progress.lossScale.shrink();
    if (!norm.ok() && !isSkipped)
      return norm.status();
    if (!std::isfinite(loss))
      return absl::DataLossError(
          absl::StrCat("step ", progress.step + 1, ": the loss is ", loss, "; ", causeOfNotFinite()));
    // What is not finite is shown as it is.
    const double shown = isSkipped ? std::numeric_limits<double>::infinity() : *norm / scale;
    if (absl::Status status = isSkipped ? dropGradients() : update(rate, shown, scale); !status.ok())
      return status;
    if (isHalf() && !isSkipped)
      progress.lossScale.grow();
    ++progress.step;
    progress.data = stream.position();
    const double seconds = absl::ToDoubleSeconds(absl::Now() - start);
    return options.profiledSteps > 0 ? absl::OkStatus()
                                     : report(loss, shown, rate, static_cast<double>(tokens), seconds);
  }

  /// The first tensor of the last step that is not finite, as far as it was made to tell; else nothing.
  std::string findNotFinite() {
    for (const std::string &name : checks) {
      const float *rows = program.operand<float>("loss", name);
      if (std::any_of(rows, rows + program.elements("loss", name), [](float row) { return std::isnan(row); }))
        return std::string(checkedTensor(name));
    }
    return "";
  }

  std::string causeOfNotFinite() const {
    if (!firstWrong.empty())
      return absl::StrCat("first not finite was ", firstWrong);
    return checks.empty() ? "the last checkpoint is from before; llmc train --debug-numerics tells the tensor"
                          : "all that it is computed from is finite";
  }

  absl::StatusOr<double> gradientNorm() {
    double sum = 0;
    int trained = 0;
    for (int i = 0; i < program.training().parameters_size(); ++i) {
      if (program.training().initializers(i).frozen())
        continue;
      const runtime::Parameter &parameter = program.training().parameters(i);
      const int64_t parts = parameter.shape_size() > 1 ? static_cast<int64_t>(parameter.shape(0)) : 1;
      const float *squares = program.operand<float>("norms", absl::StrCat("norm", trained++));
      for (int64_t part = 0; part < parts; ++part) {
        if (!std::isfinite(squares[part]))
          return absl::DataLossError(absl::StrCat("step ", progress.step + 1, ": the gradient of '",
                                                  parameter.name(), "' is not finite in row ", part, "; ",
                                                  causeOfNotFinite()));
        sum += squares[part];
      }
    }
    return std::sqrt(sum);
  }

  bool isHalf() const { return recipe.precision() == F16; }

  absl::Status dropGradients() {
    firstWrong.clear();
    for (const TensorView &gradient : program.tensors("gradients", Part::Trained))
      std::fill_n(gradient.data, elementsOf(gradient), 0.0F);
    return program.commit("gradients");
  }

  /// Makes a step by gradients that are `scale` times too large, and whose norm is `norm` without that.
  absl::Status update(double rate, double norm, double scale) {
    float *hyper = program.operand<float>("update", "hyper");
    const Optimizer &optimizer = recipe.optimizer();
    const double clip =
        settings.clip_norm() > 0 && norm > settings.clip_norm() ? settings.clip_norm() / norm : 1;
    const double t = static_cast<double>(progress.step + 1 - progress.lossScale.skipped);
    double beta1 = 0, beta2 = 0, epsilon = 0, decay = 0;
    if (optimizer.has_adamw()) {
      const Optimizer::AdamW &adamw = optimizer.adamw();
      beta1 = adamw.beta1(), beta2 = adamw.beta2(), epsilon = adamw.epsilon(), decay = adamw.weight_decay();
    } else if (optimizer.has_muon()) {
      const Optimizer::Muon &muon = optimizer.muon();
      beta1 = muon.beta1(), beta2 = muon.beta2(), epsilon = muon.epsilon(), decay = muon.weight_decay();
    } else if (optimizer.has_adafactor()) {
      beta2 = 1 - std::pow(t, -optimizer.adafactor().decay()), decay = optimizer.adafactor().weight_decay();
    } else if (optimizer.has_lion()) {
      beta1 = optimizer.lion().beta1(), beta2 = optimizer.lion().beta2(),
      decay = optimizer.lion().weight_decay();
    } else {
      beta1 = optimizer.sgd().momentum(), decay = optimizer.sgd().weight_decay();
    }
    hyper[kLearningRate] = static_cast<float>(rate);
    hyper[kGradientScale] = static_cast<float>(clip / scale);
    hyper[kBeta1] = static_cast<float>(beta1);
    hyper[kBeta2] = static_cast<float>(beta2);
    hyper[kCorrection1] = static_cast<float>(1 / (1 - std::pow(beta1, t)));
    hyper[kCorrection2] = static_cast<float>(1 / (1 - std::pow(beta2, t)));
    hyper[kEpsilon] = static_cast<float>(epsilon);
    hyper[kWeightDecay] = static_cast<float>(decay);
    return program.run("update");
  }

  absl::Status evaluate() {
    if (!settings.evaluate_average())
      return evaluateParameters();
    absl::Status status = swapAverages(program);
    if (status.ok())
      status = evaluateParameters();
    return status.ok() ? swapAverages(program) : status; // an error ends the run
  }

  /// The mean loss on the first batches of held-out data.
  absl::Status evaluateParameters() {
    StreamOptions stored = streamOptions(*heldOut, Order::AsStored);
    stored.once = stored.packing != Packing::Split;
    TokenStream held(*heldOut, stored);
    Batch batch;
    double loss = 0;
    int64_t targets = 0, right = 0;
    const bool hasLabels = program.hasOperand("evaluate", "outputs");
    for (uint32_t i = 0; i < settings.evaluation_batches(); ++i) {
      if (held.position().epoch > 0)
        break; // once is enough
      held.next(sequences, length, batch);
      const StreamPosition &end = held.position();
      if (i > 0 && !stored.once && end.epoch > 0 && end.document + end.token > 0)
        break; // what is left begins anew
      if (absl::Status status = checkTokens(batch, settings.validation_data()); !status.ok())
        return status;
      setInputs(program, "evaluate", batch);
      if (absl::Status status = program.run("evaluate"); !status.ok())
        return status;
      loss += sumLosses("evaluate");
      targets += batch.targetCount;
      right += hasLabels ? countRight(batch) : 0;
    }
    loss /= static_cast<double>(std::max<int64_t>(targets, 1));
    if (loss < progress.bestLoss) {
      progress.bestLoss = loss;
      progress.bestStep = progress.step;
    }
    // What the loss is in terms that people know.
    const bool isNumber = program.hasOperand("evaluate", "numbers");
    const double accuracy = static_cast<double>(right) / static_cast<double>(std::max<int64_t>(targets, 1));
    const auto [name, value] = hasLabels  ? std::pair("accuracy", accuracy)
                               : isNumber ? std::pair("root_mean_square_error", std::sqrt(loss))
                                          : std::pair("perplexity", std::exp(loss));
    say(absl::StrFormat("step %d: held-out loss %.4f, %s %.*f", progress.step, loss,
                        absl::StrReplaceAll(name, {{"_", " "}}), hasLabels || isNumber ? 4 : 2, value));
    log << Json{{"step", progress.step}, {"validation_loss", loss}, {name, value}}.dump() << '\n';
    if (absl::Status status = checkLog(); !status.ok())
      return status;
    return writeEvents({{"validation/loss", loss}, {absl::StrCat("validation/", name), value}});
  }

  absl::Status writeSample() {
    absl::StatusOr<std::string> text = samples->write(progress.step);
    if (!text.ok())
      return text.status();
    say(absl::StrCat("step ", progress.step, ": ", *text));
    log << Json{{"step", progress.step}, {"sample", *text}}.dump(-1, ' ', false,
                                                                 Json::error_handler_t::replace)
        << '\n';
    return checkLog();
  }

  absl::Status save() {
    if (absl::Status status = saveCheckpoint(settings.output(), program, progress); !status.ok())
      return status;
    // Those of a run that was begun anew go when there is one to take their place.
    for (uint64_t step : std::exchange(replaced, {}))
      if (step != progress.step)
        removeCheckpoint(settings.output(), step);
    removeOldCheckpoints(settings.output(), settings.keep_checkpoints(), progress.bestStep);
    return absl::OkStatus();
  }

  //===--------------------------------------------------------------------===//
  // What people see
  //===--------------------------------------------------------------------===//

  absl::Status report(double loss, double norm, double rate, double tokens, double seconds) {
    const double flops = flopsPerToken() * tokens;
    smoothed = smoothed == 0 ? seconds : 0.9 * smoothed + 0.1 * seconds;
    if (progress.step % settings.log_every() != 0 && progress.step != settings.steps())
      return absl::OkStatus();
    const double left = smoothed * static_cast<double>(settings.steps() - progress.step);
    if (!options.quiet) {
      const std::string line = absl::StrFormat(
          "step %d/%d  loss %.4f  rate %.3g  norm %.3g  %s%.0f tokens/s  %.1f GFLOP/s%s  %d MiB  %s left",
          progress.step, settings.steps(), loss, rate, norm, describeScale(), tokens / seconds,
          flops / seconds / 1e9, describeUtilization(flops / seconds),
          (program.stateBytes() + program.arenaBytes()) >> 20, duration(left));
      if (onTerminal)
        absl::FPrintF(stderr, "\r\x1b[K%s", line);
      else
        absl::FPrintF(stderr, "%s\n", line);
      drawn = onTerminal;
    }
    Json line = {{"step", progress.step}, {"loss", loss},
                 {"learning_rate", rate}, {"gradient_norm", norm},
                 {"tokens", tokens},      {"tokens_per_second", tokens / seconds},
                 {"seconds", seconds},    {"epoch", progress.data.epoch}};
    if (settings.peak_gflops() > 0)
      line["utilization"] = flops / seconds / 1e9 / settings.peak_gflops();
    if (isHalf()) {
      line["loss_scale"] = progress.lossScale.scale;
      line["skipped_steps"] = progress.lossScale.skipped;
    }
    log << line.dump() << '\n';
    if (absl::Status status = checkLog(); !status.ok())
      return status;
    return writeEvents({{"train/loss", loss},
                        {"train/learning_rate", rate},
                        {"train/gradient_norm", norm},
                        {"train/tokens_per_second", tokens / seconds}});
  }

  std::string describeScale() const {
    return isHalf() ? absl::StrFormat("scale %d (%d skipped)  ", progress.lossScale.scale,
                                      progress.lossScale.skipped)
                    : "";
  }
  std::string describeUtilization(double flopsPerSecond) const {
    return settings.peak_gflops() > 0
               ? absl::StrFormat(" (MFU %.1f%%)", 100 * flopsPerSecond / 1e9 / settings.peak_gflops())
               : "";
  }

  absl::Status writeEvents(std::initializer_list<std::pair<absl::string_view, double>> scalars) {
    return settings.tensorboard() ? events.write(progress.step, scalars) : absl::OkStatus();
  }

  /// Six operations a parameter, of which gradients of parameters take two and those of activations two
  /// (Kaplan et al., 2020).
  double flopsPerToken() const {
    double flops = 0;
    for (int i = 0; i < program.training().parameters_size(); ++i) {
      double elements = 1;
      for (uint64_t size : program.training().parameters(i).shape())
        elements *= static_cast<double>(size);
      const runtime::Initializer &initializer = program.training().initializers(i);
      flops += (initializer.reference() ? 2 : initializer.frozen() ? 4 : 6) * elements;
    }
    // A token of a source or a target goes through about half of an encoder and a decoder.
    return recipe.objective().has_sequence_to_sequence() ? flops / 2 : flops;
  }

  void say(const std::string &line) {
    if (options.quiet)
      return;
    absl::FPrintF(stderr, "%s%s\n", drawn ? "\n" : "", line);
    drawn = false;
  }

  Program &program;
  const Recipe &recipe;
  const Run &settings;
  const RunOptions &options;
  const std::atomic<bool> &stop;
  const TokenFile *heldOut;
  const Masking masking;
  TokenStream stream;
  const int64_t sequences, length;
  const bool onTerminal;
  bool drawn = false;
  Progress progress;
  std::vector<uint64_t> replaced; ///< steps of checkpoints of a run that this one replaces
  std::vector<Batch> batches;
  const std::vector<std::string> checks; ///< operands of the step `loss`, in the order of the tensors
  std::string firstWrong;                ///< the first tensor that a check found not finite
  std::ofstream log;
  EventFile events; ///< open where the run asks for TensorBoard's files
  std::optional<TextSampler> samples;
  double smoothed = 0;
};

/// Opens a token file that fits the model.
absl::StatusOr<TokenFile> openData(const std::string &path, const Program &program,
                                   const Objective &objective) {
  absl::StatusOr<TokenFile> file = TokenFile::open(path);
  if (!file.ok())
    return file;
  absl::Status status = checkLabelKind(*file, objective);
  if (status.ok())
    status = checkLabelNames(*file, objective);
  if (!status.ok())
    return status;
  const int64_t vocabulary = program.manifest().vocabulary_size();
  if (file->vocabulary() > vocabulary)
    return absl::InvalidArgumentError(absl::StrCat(path, ": has tokens of a vocabulary of ",
                                                   file->vocabulary(), ", expected at most the model's ",
                                                   vocabulary));
  return file;
}

} // namespace

absl::StatusOr<Ending> train(Program &program, const Recipe &recipe, const Run &run,
                             const RunOptions &options, const std::atomic<bool> &stop) {
  if (absl::Status status = checkRun(run); !status.ok())
    return status;
  if (run.evaluate_average() && recipe.average() == 0)
    return absl::InvalidArgumentError("run.evaluate_average is there, expected a recipe with `average`");
  absl::StatusOr<TokenFile> trainData = openData(run.train_data(), program, recipe.objective());
  if (!trainData.ok())
    return trainData.status();
  if (absl::Status status = checkGroupCount(*trainData, recipe.objective(), program.training().sequences());
      !status.ok())
    return status;
  std::optional<TokenFile> heldOut;
  if (!run.validation_data().empty()) {
    absl::StatusOr<TokenFile> opened = openData(run.validation_data(), program, recipe.objective());
    if (!opened.ok())
      return opened.status();
    heldOut = *std::move(opened);
  }
  return TrainingRun(program, recipe, run, options, stop, *trainData, heldOut ? &*heldOut : nullptr).run();
}

} // namespace llmc::train
