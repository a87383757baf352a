//===- Bench.cpp - llmc bench ---------------------------------------------------------------------------===//
#include "tools/llmc/Commands.h"
#include "tools/llmc/Json.h"
#include "tools/llmc/Model.h"
#include "tools/llmc/OptionChecks.h"
#include "tools/llmc/ProfilePage.h"

#include "runtime/core/Generator.h"
#include "runtime/io/Message.h"

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>

namespace llmc::tool {

namespace {

struct BenchOptions {
  ModelOptions model;
  std::optional<std::vector<int>> promptTokens, decodeTokens;
  std::optional<std::vector<int>> sequences;
  std::vector<int> depths{0};
  int repetitions = 5;
  bool profile = false;
  std::string profilePage; ///< empty: none
  bool json = false;

  bool profiles() const { return profile || !profilePage.empty(); }
};

/// What is timed: `tokens` tokens at once, or one after the other, by each of some sequences side by side.
/// Encoders read as many texts, one after the other.
struct Workload {
  enum Kind { Prompt, Decode, Embed, Predict } kind;
  int tokens;
  std::vector<int> depths{0}; ///< tokens in the context of each sequence before

  int sequences() const { return static_cast<int>(depths.size()); }
  /// E.g. "decode of 16 tokens of each of 8 sequences at depths 0, 512".
  std::string title() const;
};

absl::string_view nameOf(Workload::Kind kind) {
  constexpr absl::string_view names[] = {"prompt", "decode", "embed", "predict"};
  return names[kind];
}

/// The different values of `depths`, "0,512".
std::string depthsText(absl::Span<const int> depths) {
  std::vector<int> different(depths.begin(), depths.end());
  absl::c_sort(different);
  different.erase(std::unique(different.begin(), different.end()), different.end());
  return absl::StrJoin(different, ",");
}

std::string Workload::title() const {
  const bool encodes = kind == Embed || kind == Predict;
  std::string text = absl::StrCat(nameOf(kind), " of ", tokens, " tokens");
  if (sequences() > 1)
    absl::StrAppend(&text, " of each of ", sequences(), encodes ? " texts" : " sequences");
  if (absl::c_any_of(depths, [](int depth) { return depth > 0; }))
    absl::StrAppend(&text, " at depth ", depthsText(depths));
  return text;
}

/// Ids from all over the vocabulary, the same in every run.
std::vector<int32_t> sampleTokens(int count, int64_t vocabulary) {
  std::vector<int32_t> ids(count);
  for (int i = 0; i < count; ++i)
    ids[i] = (static_cast<uint64_t>(i) * 2654435761u + 12345) % vocabulary;
  return ids;
}

/// Brings a session, and forks of it, to what a workload begins with, and runs it.
class Runner {
public:
  static absl::StatusOr<Runner> create(runtime::Session &session, const Workload &workload);

  /// Takes `sequences` back to their depths.
  void prepare() {
    for (size_t i = 0; i < sequences.size(); ++i)
      sequences[i]->truncate(workload.depths[i]); // which keeps a source
  }
  absl::Status run();

private:
  Runner(runtime::Session &session, const Workload &workload)
      : session(session), workload(workload), sequences{&session},
        ids(sampleTokens(workload.tokens, session.artifact().manifest().vocabulary_size())) {}

  absl::Status encode();
  absl::Status decode();

  runtime::Session &session;
  const Workload &workload;
  std::vector<std::unique_ptr<runtime::TokenSequence>> forks;
  std::vector<runtime::TokenSequence *> sequences; ///< of an encoder only the session
  std::vector<int32_t> ids;
};

absl::StatusOr<Runner> Runner::create(runtime::Session &session, const Workload &workload) {
  Runner runner(session, workload);
  session.reset();
  if (session.artifact().manifest().kind() != runtime::GENERATE)
    return runner;
  if (session.readsSource())
    if (absl::Status status = session.readSource(absl::MakeConstSpan(runner.ids).first(1)); !status.ok())
      return status;
  while (static_cast<int>(runner.sequences.size()) < workload.sequences()) {
    absl::StatusOr<std::unique_ptr<runtime::TokenSequence>> fork = session.fork();
    if (!fork.ok())
      return fork.status();
    runner.forks.push_back(*std::move(fork));
    runner.sequences.push_back(runner.forks.back().get());
  }
  for (size_t i = 0; i < runner.sequences.size(); ++i)
    if (workload.depths[i] > 0)
      if (absl::Status status =
              runner.sequences[i]
                  ->feed(sampleTokens(workload.depths[i], session.artifact().manifest().vocabulary_size()))
                  .status();
          !status.ok())
        return status;
  return runner;
}

absl::Status Runner::run() {
  switch (workload.kind) {
  case Workload::Embed:
  case Workload::Predict:
    return encode();
  case Workload::Prompt:
    return session.readsSource() ? session.readSource(ids) : session.feed(ids).status();
  case Workload::Decode:
    return decode();
  }
  return absl::OkStatus();
}

absl::Status Runner::encode() {
  for (int i = 0; i < workload.sequences(); ++i) {
    absl::Status status = workload.kind == Workload::Embed ? session.embed(ids).status()
                                                           : session.predict(ids, {}, {0}).status();
    if (!status.ok())
      return status;
  }
  return absl::OkStatus();
}

absl::Status Runner::decode() {
  for (const int32_t &id : ids) {
    std::vector<runtime::Feed> feeds;
    for (runtime::TokenSequence *sequence : sequences)
      feeds.push_back({sequence, absl::MakeConstSpan(&id, 1)});
    absl::Status status =
        feeds.size() > 1 ? session.feedTogether(feeds).status() : session.feed(feeds[0].tokens).status();
    if (!status.ok())
      return status;
  }
  return absl::OkStatus();
}

/// Tokens per second, of all sequences, of each repetition, after one that warms up. One more is recorded in
/// `profile`, if there is one.
absl::StatusOr<std::vector<double>> measure(runtime::Session &session, const Workload &workload,
                                            int repetitions, runtime::Profile *profile) {
  absl::StatusOr<Runner> runner = Runner::create(session, workload);
  if (!runner.ok())
    return runner.status();
  std::vector<double> speeds;
  for (int i = -1; i < repetitions; ++i) {
    runner->prepare();
    auto start = std::chrono::steady_clock::now();
    if (absl::Status status = runner->run(); !status.ok())
      return status;
    double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (i >= 0)
      speeds.push_back(workload.tokens * workload.sequences() / seconds);
  }
  if (profile) {
    runner->prepare();
    session.team()->startProfile();
    absl::Status status = runner->run();
    *profile = session.team()->takeProfile();
    if (!status.ok())
      return status;
  }
  return speeds;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

std::vector<Workload> workloadsOf(const BenchOptions &options, runtime::Kind kind, int context) {
  const bool encodes = kind != runtime::GENERATE;
  std::vector<int> prompts = options.promptTokens.value_or(
      encodes ? std::vector<int>{std::min(128, context)}
              : std::vector<int>{std::min(512, context), std::min(128, context)});
  std::vector<int> decodes =
      options.decodeTokens.value_or(encodes ? std::vector<int>{} : std::vector<int>{std::min(128, context)});
  std::vector<Workload> workloads;
  auto add = [&](Workload::Kind kind, int tokens, int sequences) {
    if (tokens == 0)
      return;
    if (sequences == 1) {
      for (int depth : options.depths)
        workloads.push_back({kind, tokens, {depth}});
      return;
    }
    Workload workload{kind, tokens, std::vector<int>(sequences)};
    for (int i = 0; i < sequences; ++i)
      workload.depths[i] = options.depths[i % options.depths.size()];
    workloads.push_back(std::move(workload));
  };
  const std::vector<int> sequences = options.sequences.value_or(std::vector<int>{1});
  for (int tokens : prompts)
    for (int count : encodes ? sequences : std::vector<int>{1})
      add(kind == runtime::EMBED     ? Workload::Embed
          : kind == runtime::PREDICT ? Workload::Predict
                                     : Workload::Prompt,
          tokens, count);
  for (int tokens : decodes)
    for (int count : sequences)
      add(Workload::Decode, tokens, count);
  return workloads;
}

/// Whether there is something to measure, all of it fits the context of `session`, and the model can do it.
absl::Status checkWorkloads(absl::Span<const Workload> workloads, const BenchOptions &options,
                            const runtime::Session &session) {
  if (workloads.empty())
    return absl::InvalidArgumentError(
        "--prompt-tokens, --decode-tokens: all are 0, expected something to measure");
  const runtime::Kind kind = session.artifact().manifest().kind();
  const bool hasDepths = absl::c_any_of(options.depths, [](int depth) { return depth > 0; });
  if (options.sequences && kind == runtime::GENERATE &&
      absl::c_none_of(workloads, [](const Workload &workload) { return workload.kind == Workload::Decode; }))
    return absl::InvalidArgumentError("--sequences: nothing is decoded, expected --decode-tokens");
  if (hasDepths && (kind != runtime::GENERATE || session.readsSource()))
    return absl::InvalidArgumentError(absl::StrCat(
        "--depth: ", depthsText(options.depths),
        ", expected 0: ", kind == runtime::GENERATE ? "a source" : "a text", " is read from its beginning"));
  for (const Workload &workload : workloads) {
    absl::string_view option = workload.kind == Workload::Decode ? "--decode-tokens" : "--prompt-tokens";
    if (int64_t length = int64_t{workload.tokens} + *absl::c_max_element(workload.depths);
        length > session.contextLength())
      return absl::InvalidArgumentError(
          absl::StrCat(hasDepths ? absl::StrCat(option, ", --depth") : std::string(option), ": ", length,
                       " tokens, expected at most ", session.contextLength(),
                       ", the context that the artifact was compiled for"));
    if (workload.kind == Workload::Decode && kind != runtime::GENERATE)
      return absl::InvalidArgumentError(absl::StrCat(option, ": ", workload.tokens,
                                                     " tokens, expected 0: the model makes ",
                                                     kind == runtime::EMBED ? "embeddings" : "predictions"));
  }
  return absl::OkStatus();
}

ExitCode bench(const BenchOptions &options) {
  ExitCode code = ExitCode::Success;
  Model model = loadModel(options.model, code);
  if (!model.artifact)
    return code;
  const runtime::Manifest &manifest = model.artifact->manifest();
  const std::vector<Workload> workloads = workloadsOf(options, manifest.kind(), manifest.context_length());
  if (absl::Status status = checkWorkloads(workloads, options, *model.session); !status.ok())
    return fail(status, ExitCode::Usage);
  if (options.profiles() && model.artifact->gpu())
    return fail(absl::UnimplementedError(
        absl::StrCat(options.model.path, ": is for GPUs, expected an artifact for CPUs with --profile and "
                                         "--profile-page")));
  // Before anything is measured: what cannot be written is told at once.
  std::optional<io::AtomicFile> page;
  if (!options.profilePage.empty()) {
    std::error_code error;
    if (std::filesystem::equivalent(options.profilePage, options.model.path, error))
      return fail(absl::InvalidArgumentError(
          absl::StrCat("--profile-page: ", options.profilePage, ": is the artifact; choose another file")));
    absl::StatusOr<io::AtomicFile> file = io::AtomicFile::create(options.profilePage);
    if (!file.ok())
      return fail(file.status());
    page = *std::move(file);
  }
  std::vector<ProfiledWorkload> profiled;
  Json measurements = Json::array();
  if (!options.json)
    absl::PrintF("%-8s %7s %9s %7s %12s %12s %12s\n", "", "tokens", "sequences", "depth", "tokens/s",
                 "lowest", "highest");
  for (const Workload &workload : workloads) {
    runtime::Profile profile;
    absl::StatusOr<std::vector<double>> speeds =
        measure(*model.session, workload, options.repetitions, options.profiles() ? &profile : nullptr);
    if (!speeds.ok())
      return fail(io::withContext(absl::StrCat(options.model.path, ": ", workload.title()), speeds.status()));
    auto [lowest, highest] = std::minmax_element(speeds->begin(), speeds->end());
    if (options.json)
      measurements.push_back({{"kind", std::string(nameOf(workload.kind))},
                              {"tokens", workload.tokens},
                              {"sequences", workload.sequences()},
                              {"depths", workload.depths},
                              {"tokens_per_second", median(*speeds)},
                              {"samples", *speeds}});
    else
      absl::PrintF("%-8s %7d %9d %7s %12.1f %12.1f %12.1f\n", nameOf(workload.kind), workload.tokens,
                   workload.sequences(), depthsText(workload.depths), median(*speeds), *lowest, *highest);
    if (options.profiles())
      profiled.push_back({workload.title(), std::move(profile), {}});
  }
  const auto peakMemory = runtime::peakResidentBytes(); // of the model: limits take memory, too
  MachineLimits limits;
  if (options.profiles()) {
    absl::StatusOr<MachineLimits> measured = measureMachineLimits(model.session->team()->size());
    if (!measured.ok())
      return fail(measured.status());
    limits = *std::move(measured);
  }
  for (size_t i = 0; i < profiled.size(); ++i) {
    profiled[i].roofline = makeRoofline(profiled[i].profile, *model.artifact, limits);
    if (options.json) {
      measurements[i]["profile"] = toJson(profiled[i].roofline);
    } else if (options.profile) {
      absl::PrintF("\n%s\n", profiled[i].title);
      printRoofline(profiled[i].roofline, limits);
    }
  }
  if (options.json) {
    Json printed = {{"model", options.model.path},
                    {"threads", model.session->team()->size()},
                    {"load_seconds", model.loadSeconds},
                    {"measurements", std::move(measurements)},
                    {"peak_memory_bytes", peakMemory}};
    if (options.profiles())
      printed["machine"] = toJson(limits);
    printJson(printed);
  } else {
    std::fflush(stdout); // The table comes first where both streams go to one place.
    absl::FPrintF(stderr, "%d threads; medians of %d; loaded in %.3f s; peak memory %d MiB\n",
                  model.session->team()->size(), options.repetitions, model.loadSeconds, peakMemory >> 20);
  }
  if (page)
    if (absl::Status status = writeProfilePage(*page, *model.artifact, limits, profiled); !status.ok())
      return fail(status);
  return ExitCode::Success;
}

} // namespace

void addBenchCommand(CLI::App &app, Invocation &invocation) {
  auto options = std::make_shared<BenchOptions>();
  options->model.absentWeights = runtime::AbsentWeights::Random;
  CLI::App *command = app.add_subcommand("bench", "Measure how fast an artifact is on this machine");
  addModelOptions(*command, options->model);
  command
      ->add_option(
          "--prompt-tokens", options->promptTokens,
          "Lengths of prompts to measure, e.g. 512,128 (the default); 0: none. For an embedding model the "
          "lengths of texts, by default 128")
      ->delimiter(',')
      ->check(wholeNumber(0, kMostTokens))
      ->option_text("N,...");
  command
      ->add_option("--decode-tokens", options->decodeTokens,
                   "Numbers of tokens to decode one by one, by default 128; 0: none")
      ->delimiter(',')
      ->check(wholeNumber(0, kMostTokens))
      ->option_text("N,...");
  command
      ->add_option(
          "--sequences", options->sequences,
          "Numbers of sequences to decode side by side, in common steps, e.g. 1,8,32; by default 1. Speeds "
          "are those of all of them. For an embedding model the numbers of texts, one after the other")
      ->delimiter(',')
      ->check(wholeNumber(1, kMostSequences))
      ->option_text("N,...");
  command
      ->add_option(
          "--depth", options->depths,
          "Tokens that are in the context before, by default 0, e.g. 0,4096; sequences side by side take "
          "them in turn")
      ->delimiter(',')
      ->check(wholeNumber(0, kMostTokens))
      ->option_text("N,...");
  command
      ->add_option("--repetitions", options->repetitions,
                   "Measurements of each, by default 5; medians are printed")
      ->check(wholeNumber(1, 1000000))
      ->option_text("N");
  command->add_flag(
      "--profile", options->profile,
      "Measure this machine's memory and products too, and print for each operation what it took "
      "and what it had to take");
  command
      ->add_option("--profile-page", options->profilePage,
                   "Write that to this HTML file, with timelines of all threads")
      ->option_text("FILE");
  command->add_flag("--json", options->json, "Print one JSON object instead of a table");
  command->footer("Examples:\n"
                  "  llmc bench model.llmc --threads 2\n"
                  "  llmc bench model.llmc --prompt-tokens 512,128 --decode-tokens 0 --json\n"
                  "  llmc bench model.llmc --prompt-tokens 128 --profile --profile-page profile.html");
  command->callback([options, &invocation] { invocation.result = bench(*options); });
}

} // namespace llmc::tool
