//===- CompilerMain.cpp - llmc-compiler -----------------------------------------------------------------===//
//
// The part of llmc that has the compiler in it. llmc starts it, with its own command line, where it is
// needed.
//
//===----------------------------------------------------------------------------------------------------===//
#include "tools/llmc/CompilerCommands.h"
#include "tools/llmc/OptionChecks.h"

#include <CLI/CLI.hpp>
#include <memory>

using namespace llmc::tool;

/// For an option that answers and ends the program, whatever else is on the command line.
static void listProcessorsAndExit(int64_t) {
  listProcessors();
  throw CLI::Success();
}

/// What computes, of a command that makes code.
static void addTargetOptions(CLI::App &command, std::string &target, std::vector<std::string> &gpuArchs) {
  command
      .add_option("--target", target,
                  "What computes: cpu, or cuda: NVIDIA GPUs, which compiling needs none of")
      ->check(CLI::IsMember({"cpu", "cuda"}))
      ->capture_default_str()
      ->option_text("TARGET");
  command
      .add_option(
          "--gpu-arch", gpuArchs,
          "The architectures to make kernels for with --target=cuda, separated by commas; later GPUs compile "
          "those of the first when they load them. By default sm_80,sm_90a")
      ->delimiter(',')
      ->option_text("LIST");
}

/// What is made for which processor, and in which numbers.
static void addCodeOptions(CLI::App &command, CompileRequest &request) {
  command
      .add_option(
          "--target-cpu", request.targetCpu,
          "The processor to compile for, by LLVM's name, e.g. x86-64-v3 or znver4; by default this machine's")
      ->option_text("CPU");
  command
      .add_flag_function("--list-cpus", listProcessorsAndExit,
                         "Print the processors that --target-cpu knows, and exit")
      ->trigger_on_parse();
  addTargetOptions(command, request.target, request.gpuArchs);
  command.add_flag(
      "--stream-weights", request.streamWeights,
      "With --target=cuda: in steps of one token the copy engine of sm_90a brings weights. To be "
      "compared; not the default");
  command
      .add_option("--context", request.context,
                  "Tokens that a sequence can have; by default what the model was made for, at most 4096")
      ->check(wholeNumber(1, kMostTokens))
      ->option_text("N");
  command
      .add_option("--dtype", request.dtype,
                  "What products are computed in: auto (as the weights are stored), f32 or bf16")
      ->check(CLI::IsMember({"auto", "f32", "bf16"}))
      ->option_text("TYPE");
  command
      .add_option(
          "--activation-bits", request.activationBits,
          "Bits of the activations that quantized weights are multiplied by: 16 is nearly exact, 8 is faster "
          "and what llama.cpp does")
      ->check(CLI::IsMember({8, 16}))
      ->capture_default_str()
      ->option_text("BITS");
  command
      .add_option(
          "--cache-type", request.cacheType,
          "Precision of the keys and values of earlier tokens: f32, or f16 or bf16 for half the memory; auto "
          "is bf16 for GPUs, else f32")
      ->check(CLI::IsMember({"auto", "f32", "f16", "bf16"}))
      ->option_text("TYPE");
  command
      .add_option(
          "--weights", request.weights,
          "none: leave the weights out of the artifact, which llmc bench then measures with random numbers")
      ->check(CLI::IsMember({"all", "none"}))
      ->capture_default_str()
      ->option_text("WHICH");
  command
      .add_option("--rows-per-step", request.rowsPerStep,
                  "Tokens of a prompt that are computed at once; by default 256, or all of the context for "
                  "an embedding model. Activations take memory for it")
      ->check(wholeNumber(1, kMostTokens))
      ->option_text("N");
}

static void addLevelOptions(CLI::App &command, CompileRequest &request) {
  constexpr auto levels = "Levels";
  command
      .add_option(
          "--emit", request.emit,
          "What to make: imported (nn as the frontend makes it), nn (after fusion), tiled (loops and "
          "vectors), "
          "llvm (MLIR's LLVM dialect), ptx, cubin, llvm-ir, asm, obj, shared (a library without weights), or "
          "artifact (the "
          "default)")
      ->option_text("LEVEL");
  command
      .add_option("--stop-after", request.stopAfter,
                  "Write the program as it is after this pass; cse:1 is the first run of cse, cse the last")
      ->option_text("PASS")
      ->group(levels);
  command
      .add_option(
          "--start-from", request.startFrom,
          "Go on from this program, printed before by --emit or --stop-after, instead of the imported one")
      ->option_text("FILE.mlir")
      ->group(levels);
  command.get_option("--emit")->group(levels);
}

static void addLookingOptions(CLI::App &command, CompileRequest &request) {
  constexpr auto looking = "Looking inside";
  command
      .add_flag("--verify-numerics", request.verifyNumerics,
                "Hold each pass, and the code that is made, to the numeric bound that it declares, by the "
                "reference semantics on random weights and inputs; name the first that departs")
      ->group(looking);
  command.add_flag("--timing", request.timing, "Print the time that each pass took")->group(looking);
  command.add_flag("--statistics", request.statistics, "Print what each pass counted")->group(looking);
  command.add_flag("--remarks", request.remarks, "Print what passes declined to do, and why")->group(looking);
  command.add_flag("-q,--quiet", request.quiet, "Print nothing when all is well")->group(looking);
}

/// Adapters that become a part of the model.
static void addAdapterOption(CLI::App &command, std::vector<std::string> &adapters) {
  command
      .add_option(
          "--lora", adapters,
          "Merge this adapter, a directory that PEFT or llmc train wrote, into the weights, multiplied "
          "by SCALE. May be given several times")
      ->take_all()
      ->expected(1)
      ->option_text("DIRECTORY[,SCALE]");
}

/// Adapters that llmc run chooses one of.
static void addSeparateAdapterOption(CLI::App &command, std::vector<std::string> &adapters) {
  command
      .add_option("--lora-separate", adapters,
                  "Keep this adapter beside the weights, to be chosen by NAME with llmc run --lora. May be "
                  "given several times")
      ->take_all()
      ->expected(1)
      ->check(CLI::Validator(
          [](const std::string &text) {
            const size_t end = text.find('=');
            return end == 0 || end == std::string::npos ? "expected NAME=DIRECTORY, found " + text
                                                        : std::string();
          },
          "", ""))
      ->option_text("NAME=DIRECTORY[,SCALE]");
}

static void addCompileOptions(CLI::App &command, CompileRequest &request) {
  command
      .add_option("MODEL", request.model,
                  "A GGUF file, an ONNX file, or a Hugging Face directory with config.json and safetensors")
      ->required()
      ->check(pathOfFile());
  command
      .add_option("-o,--output", request.output,
                  "Where the result goes; levels that are text go to the standard output stream by default. "
                  "-: that stream for every level but artifact. An old file is replaced when the new one is "
                  "complete, and not before")
      ->check(pathOfFile())
      ->option_text("FILE");
  addCodeOptions(command, request);
  addLevelOptions(command, request);
  addLookingOptions(command, request);
  command.add_flag("--no-head", request.noHead,
                   "Leave out the head of an encoder: the artifact makes embeddings of texts");
  command
      .add_option(
          "--pooling", request.pooling,
          "Make embeddings of texts, of a decoder too: the hidden state of the last token, the mean of "
          "all, and so on, instead of what the files of the model say")
      ->check(CLI::IsMember(poolings()))
      ->option_text("METHOD");
  addAdapterOption(command, request.adapters);
  addSeparateAdapterOption(command, request.separateAdapters);
  command.footer("Examples:\n"
                 "  llmc compile SmolLM2-135M-Instruct.Q4_1.gguf -o smollm2.llmc\n"
                 "  llmc compile all-MiniLM-L6-v2/ --dtype f32 -o minilm.llmc\n"
                 "  llmc compile model.gguf --emit=nn | less");
}

static void addCompileCommand(CLI::App &app, Invocation &invocation) {
  auto request = std::make_shared<CompileRequest>();
  CLI::App *command = app.add_subcommand("compile", "Turn a checkpoint into an artifact");
  addCompileOptions(*command, *request);
  command->callback([request, &invocation] { invocation.result = compileCheckpoint(*request); });
}

static void addConvertCommand(CLI::App &app, Invocation &invocation) {
  auto request = std::make_shared<ConvertRequest>();
  CLI::App *command = app.add_subcommand("convert", "Write a checkpoint in another format or element type");
  command
      ->add_option("MODEL", request->model,
                   "A GGUF file, or a Hugging Face directory with config.json and safetensors")
      ->required()
      ->check(pathOfFile());
  command
      ->add_option("-o,--output", request->output,
                   "Where the result goes: a GGUF file if the name ends with .gguf, else a new directory as "
                   "Hugging Face has them. It appears when it is complete, and not before")
      ->required()
      ->check(pathOfFile())
      ->option_text("PATH");
  command
      ->add_option("--dtype", request->dtype,
                   "What the elements of matrices are stored as: f32, f16 or bf16, and in GGUF files q8_0, "
                   "q4_0, q4_1, q4_k or q6_k; by default as they are in MODEL")
      ->check(CLI::IsMember(convertedTypes()))
      ->option_text("TYPE");
  command->add_flag("-q,--quiet", request->quiet, "Print nothing when all is well");
  command->footer("Examples:\n"
                  "  llmc convert SmolLM2-135M-Instruct/ --dtype q8_0 -o smollm2.gguf\n"
                  "  llmc convert smollm2.gguf -o smollm2/");
  command->callback([request, &invocation] { invocation.result = convertModel(*request); });
}

static void addInterpretCommands(CLI::App &app, Invocation &invocation) {
  auto options = std::make_shared<RunOptions>();
  CLI::App *command = app.add_subcommand("run", "Generate text, or hold a conversation");
  addRunOptions(*command, *options);
  command->callback([options, &invocation] { invocation.result = runInterpreted(*options); });

  auto embedOptions = std::make_shared<EmbedOptions>();
  command = app.add_subcommand("embed", "Turn texts into vectors");
  addEmbedOptions(*command, *embedOptions);
  command->callback([embedOptions, &invocation] { invocation.result = embedInterpreted(*embedOptions); });

  auto predictOptions = std::make_shared<PredictOptions>();
  command = app.add_subcommand("predict", "Label texts, find what they name, fill gaps, answer");
  addPredictOptions(*command, *predictOptions);
  command->callback(
      [predictOptions, &invocation] { invocation.result = predictInterpreted(*predictOptions); });
}

static void addInspectCommand(CLI::App &app, Invocation &invocation) {
  auto options = std::make_shared<InspectOptions>();
  CLI::App *command = app.add_subcommand("inspect", "Show the parameters and costs of a checkpoint");
  addInspectOptions(*command, *options);
  command->callback([options, &invocation] { invocation.result = inspectCheckpoint(*options); });
}

static void listPresetsAndExit(int64_t) {
  listPresets();
  throw CLI::Success();
}

static void addTrainCommand(CLI::App &app, Invocation &invocation) {
  auto request = std::make_shared<TrainRequest>();
  CLI::App *command = app.add_subcommand("train", "Turn a recipe into a program that trains");
  command
      ->add_option("RECIPE", request->recipe,
                   "A recipe in protobuf's text form; docs/training.md explains it")
      ->required()
      ->check(pathOfFile());
  command->add_option("-o,--output", request->output, "Where the trainer goes")
      ->check(pathOfFile())
      ->option_text("FILE");
  command
      ->add_option(
          "--tokenizer", request->tokenizer,
          "A tokenizer.json, or a folder that has one: goes into checkpoints, and says how large the "
          "vocabulary is")
      ->check(pathOfFile())
      ->option_text("PATH");
  addTargetOptions(*command, request->target, request->gpuArchs);
  command
      ->add_option(
          "--product-tiles", request->productTiles,
          "With --target=cuda: how products are cut up on sm_90a, as COLUMNS,PARTS: 128 or 256 columns a "
          "tile, and how many blocks share its inputs at most; 0 for what costs say (the default)")
      ->delimiter(',')
      ->expected(2)
      ->check(CLI::Range(int64_t{0}, int64_t{256}))
      ->option_text("C,P");
  command->add_flag(
      "--debug-numerics", request->debugNumerics,
      "Steps check all that they compute, which takes time: when a loss or a gradient is no number, "
      "the trainer says which tensor was first not finite");
  command
      ->add_option("--target-cpu", request->targetCpu,
                   "The processor to compile for, by LLVM's name; by default this machine's")
      ->option_text("CPU");
  command
      ->add_option("--emit", request->emit,
                   "What to make: imported (nn as the recipe says it), nn (with gradients), tiled (loops and "
                   "vectors), llvm, ptx (kernels of GPUs), or artifact: the trainer (the default)")
      ->option_text("LEVEL");
  command
      ->add_flag_function("--list-presets", listPresetsAndExit,
                          "Print the models that recipes can name, and exit")
      ->trigger_on_parse();
  command->add_flag("-q,--quiet", request->quiet, "Print nothing when all is well");
  command->footer("Examples:\n"
                  "  llmc train tiny.recipe --tokenizer tokenizer/ -o trainer\n"
                  "  ./trainer --override steps=500");
  command->callback([request, &invocation] { invocation.result = compileRecipe(*request); });
}

/// The texts that data pack and tokenizer train read.
static void addTextOptions(CLI::App &command, std::vector<std::string> &inputs, std::string &field) {
  command
      .add_option("INPUT", inputs,
                  "Texts: .jsonl files with an object a line, .csv and .tsv tables with a head, else plain "
                  "text, whose documents two empty lines separate; all may be compressed (.gz, .zst)")
      ->required()
      ->check(pathOfFile());
  command
      .add_option("--field", field, "The field of JSON objects, or the column of tables, that is the text")
      ->capture_default_str()
      ->option_text("NAME");
}

static void addDataCommand(CLI::App &app, Invocation &invocation) {
  CLI::App *data = app.add_subcommand("data", "Prepare texts for training");
  data->require_subcommand(1);
  auto request = std::make_shared<PackRequest>();
  CLI::App *command = data->add_subcommand("pack", "Turn texts into token files");
  addTextOptions(*command, request->inputs, request->field);
  command->add_option("-o,--output", request->output, "The folder for train.tokens and validation.tokens")
      ->required()
      ->option_text("FOLDER");
  command->add_option("--tokenizer", request->tokenizer, "A tokenizer.json, or a folder that has one")
      ->required()
      ->check(pathOfFile())
      ->option_text("PATH");
  command->add_option("--label", request->label, "The field with the label of a text, for its classification")
      ->option_text("NAME");
  command
      ->add_option("--word-labels", request->wordLabels,
                   "The field with the list of labels of words; --field is then the list of the words")
      ->option_text("NAME");
  command->add_option("--number", request->number, "The field with the number of a text, for regression")
      ->option_text("NAME");
  command
      ->add_option(
          "--texts", request->texts,
          "The fields with texts that belong together, for embeddings: an anchor, its partner, and maybe "
          "one that is none")
      ->delimiter(',')
      ->expected(2, 3)
      ->option_text("NAME,NAME[,NAME]");
  command
      ->add_option("--preference", request->preference,
                   "The fields with a prompt, the text that is preferred behind it, and one that is not")
      ->delimiter(',')
      ->expected(3)
      ->option_text("NAME,NAME,NAME");
  command->add_flag(
      "--special-tokens", request->specialTokens,
      "Surround each text by the tokens that the model wants around texts, as texts with labels "
      "always are: for masked tokens");
  command->add_option("--validation", request->validation, "The part of the documents that is held out")
      ->check(CLI::Range(0.0, 0.5))
      ->capture_default_str()
      ->option_text("PART");
  command->footer("Examples:\n"
                  "  llmc data pack books/*.txt --tokenizer tokenizer/ -o data --validation 0.05");
  command->callback([request, &invocation] { invocation.result = packData(*request); });
}

static void addTokenizerCommand(CLI::App &app, Invocation &invocation) {
  CLI::App *tokenizer = app.add_subcommand("tokenizer", "Learn how text becomes tokens");
  tokenizer->require_subcommand(1);
  auto request = std::make_shared<TokenizerRequest>();
  CLI::App *command = tokenizer->add_subcommand("train", "Learn a byte-level BPE tokenizer from texts");
  addTextOptions(*command, request->inputs, request->field);
  command
      ->add_option("--vocab-size", request->vocabularySize, "Tokens, with the special ones and the 256 bytes")
      ->required()
      ->check(wholeNumber(1, kMostTokens))
      ->option_text("N");
  command
      ->add_option("-o,--output", request->output,
                   "The folder for tokenizer.json and tokenizer_config.json, or the tokenizer.json itself")
      ->required()
      ->check(pathOfFile())
      ->option_text("PATH");
  command
      ->add_option("--special-token", request->specialTokens,
                   "A token that is not learned; can be given several times, and the first one ends "
                   "documents. By default <|endoftext|>")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->option_text("TEXT");
  command
      ->add_option("--min-frequency", request->minFrequency,
                   "How often a pair has to be found to become a token")
      ->check(wholeNumber(1, kMostTokens))
      ->capture_default_str()
      ->option_text("N");
  command->footer("Examples:\n"
                  "  llmc tokenizer train books/*.txt --vocab-size 8192 -o tokenizer");
  command->callback([request, &invocation] { invocation.result = trainTokenizer(*request); });
}

int main(int argc, char **argv) {
  return runProgram(argc, argv, [](CLI::App &app, Invocation &invocation) {
    addCompileCommand(app, invocation);
    addConvertCommand(app, invocation);
    addTrainCommand(app, invocation);
    addTokenizerCommand(app, invocation);
    addDataCommand(app, invocation);
    addInterpretCommands(app, invocation);
    addInspectCommand(app, invocation);
  });
}
