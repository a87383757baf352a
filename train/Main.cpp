//===- Main.cpp - a trainer -----------------------------------------------------------------------------===//
//
// `llmc train` makes trainers of this program, by adding compiled steps and a recipe at its end.
//
//===----------------------------------------------------------------------------------------------------===//
#include "train/Trainer.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include <CLI/CLI.hpp>
#include <csignal>
#include <filesystem>
#include <google/protobuf/text_format.h>

using namespace llmc;

namespace {

std::atomic<bool> stopRequested{false};

void requestStop(int) {
  if (stopRequested.exchange(true))
    _exit(130); // a second time: at once
}

int fail(const absl::Status &status, int code) {
  absl::FPrintF(stderr, "trainer: %s\n", status.message());
  return code;
}

struct CommandLine {
  std::vector<std::string> overrides;
  int threads = 0;
  train::RunOptions run;
  bool showRecipe = false;
};

int runTrainer(const CommandLine &options) {
  std::signal(SIGXFSZ, SIG_IGN); // writing fails then
  runtime::TeamOptions team;
  team.threads = options.threads;
  std::error_code error;
  const std::string self = std::filesystem::read_symlink("/proc/self/exe", error).string();
  absl::StatusOr<std::unique_ptr<train::Program>> program =
      train::Program::load(error ? "/proc/self/exe" : self, team);
  if (!program.ok()) // what the machine lacks is told apart from what is wrong
    return fail(program.status(), absl::IsUnavailable(program.status()) ? 3 : 1);
  train::Recipe recipe;
  if (!recipe.ParseFromString((*program)->training().recipe()))
    return fail(absl::DataLossError("the recipe in this trainer is damaged"), 1);
  for (const std::string &setting : options.overrides)
    if (absl::Status status = train::overrideSetting(setting, *recipe.mutable_run()); !status.ok())
      return fail(absl::InvalidArgumentError(absl::StrCat("--override ", status.message())), 2);
  if (options.showRecipe) {
    std::string text;
    google::protobuf::TextFormat::PrintToString(recipe, &text);
    absl::PrintF("%s", text);
    return 0;
  }
  std::signal(SIGTERM, requestStop);
  std::signal(SIGINT, requestStop);
  absl::StatusOr<train::Ending> ending =
      train::train(**program, recipe, recipe.run(), options.run, stopRequested);
  return ending.ok() ? 0 : fail(ending.status(), 1);
}

} // namespace

int main(int argc, char **argv) {
  CLI::App app("Trains the model that it was made for (llmc train), from its last checkpoint on.");
  CommandLine options;
  app.add_option("--override", options.overrides,
                 "Change a setting of the recipe's `run`, e.g. steps=500 or schedule.kind=LINEAR")
      ->option_text("FIELD=VALUE");
  app.add_option("--threads", options.threads, "Threads that compute; by default one for each core")
      ->check(CLI::Range(1, 1024))
      ->option_text("N");
  app.add_flag("--restart", options.run.restart, "Begin anew, even if there are checkpoints");
  app.add_flag("--show-recipe", options.showRecipe, "Print the recipe with all settings, and exit");
  app.add_option(
         "--profile", options.run.profiledSteps,
         "Make N steps from new parameters on, print where a GPU's time goes, and exit; nothing is saved")
      ->check(CLI::Range(1, 10000))
      ->option_text("N");
  app.add_flag("-q,--quiet", options.run.quiet, "Print nothing but errors");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError &error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return runTrainer(options);
}
