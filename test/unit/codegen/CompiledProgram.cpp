#include "test/unit/codegen/CompiledProgram.h"

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "codegen/cpu/Linker.h"
#include "codegen/cpu/MachineCode.h"
#include "codegen/cpu/Pipeline.h"
#include "dialects/nn/reference/ForwardPass.h"
#include "dialects/nn/reference/UpstreamOps.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/FileSystem.h"
#include <bit>
#include <cmath>

using namespace llmc;
using namespace llmc::test;

std::string test::filled(absl::string_view text,
                         const std::vector<std::pair<std::string, std::string>> &names) {
  std::vector<std::pair<absl::string_view, absl::string_view>> all(names.begin(), names.end());
  all.emplace_back(
      "$ARGUMENTS",
      "(%tokens: tensor<?xi32> {nn.input = \"tokens\"}, %positions: tensor<?xi32> {nn.input = \"positions\"},"
      " %ids: tensor<?xi32> {nn.input = \"output_ids\"}, %unused: !nn.kv_cache<1x16xf32> {nn.input = "
      "\"cache\"})");
  return absl::StrReplaceAll(text, all);
}

//===----------------------------------------------------------------------===//
// Compilation
//===----------------------------------------------------------------------===//

std::unique_ptr<CompiledProgram> CompiledProgram::compile(const std::string &text,
                                                          const ProgramOptions &options) {
  std::unique_ptr<CompiledProgram> program(new CompiledProgram(options));
  program->build(text);
  if (!program->loaded) {
    ADD_FAILURE() << "no program was made";
    return nullptr;
  }
  return program;
}

static absl::StatusOr<std::string> makeSharedObject(mlir::ModuleOp module, const codegen::Target &target) {
  absl::StatusOr<std::string> object = codegen::emitCode(module, target, codegen::CodeForm::Object);
  if (!object.ok())
    return object;
  llvm::SmallString<128> folder;
  if (std::error_code error = llvm::sys::fs::createUniqueDirectory("codegen-test", folder))
    return absl::InternalError(error.message());
  absl::Cleanup removeFolder = [&] { llvm::sys::fs::remove_directories(folder); };
  return codegen::linkShared(*object, folder.str().str());
}

void CompiledProgram::build(const std::string &text) {
  mlir::DialectRegistry registry;
  codegen::registerCpuDialects(registry);
  nn::reference::registerReferenceModels(registry);
  context = std::make_unique<mlir::MLIRContext>(registry, mlir::MLIRContext::Threading::DISABLED);
  absl::StatusOr<codegen::Target> target = codegen::getTarget(options.cpu);
  ASSERT_TRUE(target.ok()) << target.status().message();

  fusedModule = mlir::parseSourceString<mlir::ModuleOp>(text, context.get());
  ASSERT_TRUE(fusedModule) << text;
  mlir::PassManager inference(context.get());
  passes::InferencePipelineOptions pipeline;
  pipeline.computeType = options.computeType;
  pipeline.cacheType = options.cacheType;
  pipeline.activationBits = options.activationBits;
  passes::addPasses(inference, passes::inferencePasses(pipeline));
  ASSERT_TRUE(mlir::succeeded(inference.run(*fusedModule)));

  mlir::OwningOpRef<mlir::ModuleOp> module = fusedModule->clone();
  mlir::PassManager tiling(context.get());
  passes::addPasses(tiling, codegen::tiledPasses(*target, options.sizes));
  ASSERT_TRUE(mlir::succeeded(tiling.run(*module))) << text;
  mlir::PassManager lowering(context.get());
  passes::addPasses(lowering, codegen::llvmPasses());
  ASSERT_TRUE(mlir::succeeded(lowering.run(*module)));
  absl::StatusOr<std::string> shared = makeSharedObject(*module, *target);
  ASSERT_TRUE(shared.ok()) << shared.status().message();
  auto program = codegen::LoadedProgram::load(*module, *shared, parameters);
  ASSERT_TRUE(program.ok()) << program.status().message();
  loaded = *std::move(program);
}

//===----------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------===//

static runtime::Team &teamOf(int threads) {
  using OwnedTeam = std::unique_ptr<runtime::Team>;
  static const OwnedTeam one = *runtime::Team::create({.threads = 1}),
                         two = *runtime::Team::create({.threads = 2}),
                         five = *runtime::Team::create({.threads = 5});
  return *(threads == 1 ? one : threads == 2 ? two : five);
}

/// Token types that are not all the same.
static std::vector<int32_t> alternating(int64_t rows) {
  std::vector<int32_t> types(rows);
  for (int64_t row = 0; row < rows; ++row)
    types[row] = row % 2;
  return types;
}

std::vector<float> CompiledProgram::run(llvm::StringRef name, std::vector<int32_t> tokens,
                                        int64_t firstPosition, const std::vector<int32_t> &outputIds,
                                        const codegen::GuardedMemory &cache, int threads) const {
  codegen::StepInputs inputs{std::move(tokens), {}, firstPosition, outputIds};
  inputs.tokenTypes = alternating(inputs.tokens.size());
  absl::StatusOr<std::vector<float>> outputs = loaded->run(name, inputs, cache, teamOf(threads));
  EXPECT_TRUE(outputs.ok()) << outputs.status().message();
  return outputs.ok() ? *std::move(outputs) : std::vector<float>();
}

std::vector<float> CompiledProgram::feed(const std::vector<int32_t> &tokens,
                                         const std::vector<int64_t> &pieces, int threads,
                                         const std::vector<int32_t> &outputIds) const {
  std::unique_ptr<codegen::GuardedMemory> cache = loaded->makeCache();
  std::vector<float> outputs;
  auto next = tokens.begin();
  for (int64_t piece : pieces) {
    const int64_t done = next - tokens.begin();
    const bool isLast = done + piece == static_cast<int64_t>(tokens.size());
    std::vector<int32_t> ids = outputIds.empty() ? codegen::countFrom(0, piece)
                               : isLast          ? outputIds
                                                 : std::vector<int32_t>();
    llvm::append_range(outputs, run(piece == 1 && hasDecode() ? "decode" : "prefill", {next, next + piece},
                                    done, ids, *cache, threads));
    next += piece;
  }
  EXPECT_EQ(next, tokens.end());
  return outputs;
}

std::vector<float> CompiledProgram::runStep(llvm::StringRef name, const std::vector<int32_t> &tokens,
                                            int threads) const {
  return run(name, tokens, 0, codegen::countFrom(0, tokens.size()), *loaded->makeCache(), threads);
}

std::vector<float> CompiledProgram::reference(const std::vector<int32_t> &tokens,
                                              const std::vector<int32_t> &outputIds) const {
  nn::reference::ForwardPass<double> forward(*fusedModule, &parameters);
  auto output = forward.feed({tokens, alternating(tokens.size()),
                              outputIds.empty() ? codegen::countFrom(0, tokens.size()) : outputIds});
  if (mlir::failed(output)) {
    ADD_FAILURE() << "evaluation fails";
    return {};
  }
  return std::vector<float>(output->values.begin(), output->values.end());
}

//===----------------------------------------------------------------------===//
// Comparison
//===----------------------------------------------------------------------===//

std::vector<int32_t> test::someTokens(int64_t count, int64_t vocabulary, int64_t first) {
  std::vector<int32_t> tokens(count);
  for (int64_t i = 0; i < count; ++i)
    tokens[i] = static_cast<int32_t>((first + i) * 5 % vocabulary);
  return tokens;
}

void test::expectNear(const std::vector<float> &found, const std::vector<float> &expected, double tolerance,
                      const std::string &what) {
  ASSERT_EQ(found.size(), expected.size()) << what;
  double largest = 0;
  for (float value : expected)
    largest = std::max<double>(largest, std::fabs(value));
  size_t bad = 0, worst = 0;
  double worstError = -1;
  for (size_t i = 0; i < found.size(); ++i) {
    double error = std::fabs(double(found[i]) - double(expected[i]));
    if (!(error <= tolerance * largest))
      ++bad;
    if (!(error <= worstError)) {
      worstError = error;
      worst = i;
    }
  }
  EXPECT_EQ(bad, 0u) << what << ": " << bad << " of " << found.size() << " depart, most of all element "
                     << worst << ", which is " << found[worst] << " instead of " << expected[worst]
                     << "; the largest magnitude is " << largest;
}

void test::expectSameBits(const std::vector<float> &found, const std::vector<float> &expected,
                          const std::string &what) {
  ASSERT_EQ(found.size(), expected.size()) << what;
  size_t bad = 0, first = 0, last = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    if (std::memcmp(&found[i], &expected[i], sizeof(float)) == 0)
      continue;
    first = bad++ == 0 ? i : first;
    last = i;
  }
  EXPECT_EQ(bad, 0u) << what << ": " << bad << " of " << found.size() << " depart, elements " << first
                     << " to " << last << "; the first is "
                     << absl::StrCat(found[first], ", bits ",
                                     absl::Hex(std::bit_cast<uint32_t>(found[first])), ", instead of ",
                                     expected[first], ", bits ",
                                     absl::Hex(std::bit_cast<uint32_t>(expected[first])));
}

void test::checkRows(const CompiledProgram &program, int64_t vocabulary, double tolerance) {
  const int64_t most = program.maxRows(), width = program.width();
  const std::vector<int32_t> tokens = someTokens(most, vocabulary);
  const std::vector<float> all = program.runStep("prefill", tokens, 1);
  expectNear(all, program.reference(tokens), tolerance, "against the reference");
  for (int64_t rows : {1, 2, 3, 4, 5, 7, 8, 9, 17, 31})
    for (int threads : {1, 2}) {
      const int64_t first = (most - rows) / 2;
      const std::vector<int32_t> some(tokens.begin() + first, tokens.begin() + first + rows);
      const std::vector<float> expected(all.begin() + first * width, all.begin() + (first + rows) * width);
      expectSameBits(program.runStep("prefill", some, threads), expected,
                     absl::StrCat(rows, " rows on ", threads, " threads"));
      if (rows == 1 && program.hasDecode())
        expectSameBits(program.runStep("decode", some, threads), expected,
                       absl::StrCat("decode on ", threads, " threads"));
    }
}

void test::checkSequence(const CompiledProgram &program, int64_t vocabulary, double tolerance) {
  constexpr int64_t length = kSequenceLength;
  const std::vector<int32_t> tokens = someTokens(length, vocabulary);
  const std::vector<float> all = program.feed(tokens, {31, 31, 13}, 1);
  expectNear(all, program.reference(tokens), tolerance, "against the reference");
  expectSameBits(program.feed(tokens, {31, 31, 13}, 2), all, "on 2 threads");
  // More threads than processors: some are late.
  expectSameBits(program.feed(tokens, {31, 31, 13}, 5), all, "on 5 threads");
  expectSameBits(program.feed(tokens, std::vector<int64_t>(length, 1), 5), all,
                 "token by token on 5 threads");
  expectSameBits(program.feed(tokens, std::vector<int64_t>(length, 1), 2), all, "token by token");
  expectSameBits(program.feed(tokens, {5, 1, 17, 31, 1, 1, 3, 16}, 2), all, "in odd pieces");
  const std::vector<float> last(all.end() - 2 * program.width(), all.end());
  const std::vector<float> swapped = program.feed(tokens, {31, 31, 13}, 2, {12, 11});
  if (swapped.size() == last.size()) {
    std::vector<float> expected(last.begin() + program.width(), last.end());
    expected.insert(expected.end(), last.begin(), last.begin() + program.width());
    expectSameBits(swapped, expected, "chosen rows");
  }
}
