#include "test/unit/codegen/CompiledProgram.h"

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "codegen/common/ParameterStream.h"
#include "codegen/cpu/Linker.h"
#include "codegen/cpu/MachineCode.h"
#include "codegen/cpu/Pipeline.h"
#include "dialects/nn/reference/Interpreter.h"
#include "dialects/nn/reference/UpstreamOps.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "runtime/core/Team.h"
#include "llvm/Support/FileSystem.h"
#include <bit>
#include <cmath>
#include <dlfcn.h>
#include <fstream>
#include <numeric>
#include <sys/mman.h>
#include <unistd.h>

using namespace llmc;
using namespace llmc::test;
using nn::reference::IntegerTensor;
using nn::reference::RuntimeValue;

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
// GuardedMemory
//===----------------------------------------------------------------------===//

GuardedMemory::GuardedMemory(size_t bytes) : bytes(bytes) {
  const size_t page = sysconf(_SC_PAGESIZE), rounded = (bytes + 63) / 64 * 64;
  const size_t usable = (rounded + page - 1) / page * page;
  mapped = usable + page;
  mapping = static_cast<uint8_t *>(
      mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  mprotect(mapping + usable, page, PROT_NONE);
  start = mapping + usable - rounded;
  spoil();
}

GuardedMemory::~GuardedMemory() { munmap(mapping, mapped); }

void GuardedMemory::spoil() { std::memset(start, 0xff, (bytes + 63) / 64 * 64); }

bool GuardedMemory::isIntactBehindEnd() const {
  for (size_t at = bytes; at % 64 != 0; ++at)
    if (start[at] != 0xff)
      return false;
  return true;
}

//===----------------------------------------------------------------------===//
// Compilation
//===----------------------------------------------------------------------===//

std::unique_ptr<CompiledProgram> CompiledProgram::compile(const std::string &text,
                                                          const ProgramOptions &options) {
  std::unique_ptr<CompiledProgram> program(new CompiledProgram(options));
  program->build(text);
  if (program->steps.empty()) {
    ADD_FAILURE() << "no program was made";
    return nullptr;
  }
  return program;
}

CompiledProgram::~CompiledProgram() {
  if (library)
    dlclose(library);
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
  placeWeights(*module);
  std::vector<std::string> names;
  for (auto function : module->getOps<mlir::func::FuncOp>()) {
    auto name = function->getAttrOfType<mlir::StringAttr>(codegen::kStepAttribute);
    if (!name)
      continue;
    names.push_back(name.str());
    if (auto bytes = function->getAttrOfType<mlir::IntegerAttr>(codegen::kArenaBytesAttribute))
      arenaBytes = std::max(arenaBytes, bytes.getInt());
    outputWidth = mlir::cast<mlir::MemRefType>(function.getArgumentTypes()[codegen::kOutput]).getDimSize(1);
  }
  mlir::PassManager lowering(context.get());
  passes::addPasses(lowering, codegen::llvmPasses());
  ASSERT_TRUE(mlir::succeeded(lowering.run(*module)));
  absl::StatusOr<std::string> shared = makeSharedObject(*module, *target);
  ASSERT_TRUE(shared.ok()) << shared.status().message();
  load(*shared);
  ASSERT_NE(library, nullptr) << dlerror();
  for (const std::string &name : names) {
    void *symbol = dlsym(library, codegen::stepSymbol(name).c_str());
    ASSERT_NE(symbol, nullptr) << name;
    steps[name] = reinterpret_cast<LlmcStepFunction>(symbol);
  }
}

void CompiledProgram::load(const std::string &sharedObject) {
  static int count = 0;
  const std::string path = absl::StrCat(testing::TempDir(), "codegen-", getpid(), "-", count++, ".so");
  std::ofstream(path, std::ios::binary) << sharedObject;
  library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  unlink(path.c_str());
}

void CompiledProgram::placeWeights(mlir::ModuleOp tiled) {
  auto number = [](mlir::Operation *op, llvm::StringRef name) {
    return op->getAttrOfType<mlir::IntegerAttr>(name).getInt();
  };
  weights = std::make_unique<GuardedMemory>(number(tiled, codegen::kWeightsBytesAttribute));
  cacheBytes = number(tiled, codegen::kCacheBytesAttribute);
  codegen::ParameterStream stream(tiled, parameters);
  for (auto param : tiled.getOps<nn::ParamOp>()) {
    if (!param->hasAttr(codegen::kOffsetAttribute))
      continue;
    size_t at = number(param, codegen::kOffsetAttribute);
    ASSERT_EQ(at % 64, 0u);
    absl::Status status = stream.stream(param, [&](absl::Span<const uint8_t> bytes) {
      if (at + bytes.size() > weights->size())
        return absl::OutOfRangeError("is larger than its place");
      std::memcpy(weights->as() + at, bytes.data(), bytes.size());
      at += bytes.size();
      return absl::OkStatus();
    });
    ASSERT_TRUE(status.ok()) << status.message();
  }
}

//===----------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------===//

static runtime::Team &teamOf(int threads) {
  static runtime::Team one({.threads = 1}), two({.threads = 2}), five({.threads = 5});
  return threads == 1 ? one : threads == 2 ? two : five;
}

template <typename T> static std::unique_ptr<GuardedMemory> guarded(const T *values, size_t count) {
  auto memory = std::make_unique<GuardedMemory>(count * sizeof(T));
  std::copy_n(values, count, memory->as<T>());
  return memory;
}

static std::vector<int32_t> countFrom(int64_t first, int64_t count) {
  std::vector<int32_t> numbers(count);
  std::iota(numbers.begin(), numbers.end(), static_cast<int32_t>(first));
  return numbers;
}

void CompiledProgram::run(llvm::StringRef name, const int32_t *tokens, int64_t rows, int64_t firstPosition,
                          const std::vector<int32_t> &outputIds, uint8_t *cache, int threads,
                          float *output) const {
  auto tokenMemory = guarded(tokens, rows), idMemory = guarded(outputIds.data(), outputIds.size());
  std::vector<int32_t> positions = countFrom(firstPosition, rows), types(rows);
  for (int64_t row = 0; row < rows; ++row)
    types[row] = row % 2;
  auto positionMemory = guarded(positions.data(), rows), typeMemory = guarded(types.data(), rows);
  GuardedMemory arena(arenaBytes), result(outputIds.size() * outputWidth * sizeof(float));
  LlmcStep step = {};
  step.rows = rows;
  step.output_rows = static_cast<int64_t>(outputIds.size());
  step.tokens = tokenMemory->as<int32_t>();
  step.positions = positionMemory->as<int32_t>();
  step.token_types = typeMemory->as<int32_t>();
  step.output_ids = idMemory->as<int32_t>();
  step.weights = weights->as();
  step.arena = arena.as();
  step.cache = cache;
  step.output = result.as<float>();
  runtime::Team &team = teamOf(threads);
  team.run(steps.lookup(name), step);
  team.settle();
  EXPECT_TRUE(result.isIntactBehindEnd());
  std::copy_n(result.as<float>(), outputIds.size() * outputWidth, output);
}

std::vector<float> CompiledProgram::feed(const std::vector<int32_t> &tokens,
                                         const std::vector<int64_t> &pieces, int threads,
                                         const std::vector<int32_t> &outputIds) const {
  GuardedMemory cache(cacheBytes);
  std::memset(cache.as(), 0, cacheBytes);
  const int64_t wanted = outputIds.empty() ? tokens.size() : outputIds.size();
  std::vector<float> outputs(wanted * outputWidth);
  int64_t done = 0;
  for (int64_t piece : pieces) {
    const bool isLast = done + piece == static_cast<int64_t>(tokens.size());
    std::vector<int32_t> ids = outputIds.empty() ? countFrom(0, piece)
                               : isLast          ? outputIds
                                                 : std::vector<int32_t>();
    run(piece == 1 && hasDecode() ? "decode" : "prefill", tokens.data() + done, piece, done, ids, cache.as(),
        threads, outputs.data() + (outputIds.empty() ? done * outputWidth : 0));
    done += piece;
  }
  EXPECT_EQ(done, static_cast<int64_t>(tokens.size()));
  return outputs;
}

std::vector<float> CompiledProgram::runStep(llvm::StringRef name, const std::vector<int32_t> &tokens,
                                            int threads) const {
  GuardedMemory cache(cacheBytes);
  std::memset(cache.as(), 0, cacheBytes);
  std::vector<float> outputs(tokens.size() * outputWidth);
  run(name, tokens.data(), tokens.size(), 0, countFrom(0, tokens.size()), cache.as(), threads,
      outputs.data());
  return outputs;
}

std::vector<float> CompiledProgram::reference(const std::vector<int32_t> &tokens,
                                              const std::vector<int32_t> &outputIds) const {
  nn::reference::Interpreter<double> interpreter(*fusedModule, &parameters);
  auto function = mlir::cast<mlir::func::FuncOp>(interpreter.lookupSymbol("forward"));
  auto ids = [](std::vector<int32_t> values) {
    llvm::SmallVector<int64_t, 2> shape{static_cast<int64_t>(values.size())};
    return IntegerTensor(shape, std::move(values));
  };
  const int64_t rows = tokens.size();
  llvm::SmallVector<RuntimeValue<double>> arguments;
  for (auto [i, type] : llvm::enumerate(function.getArgumentTypes())) {
    auto input = function.getArgAttrOfType<mlir::StringAttr>(i, "nn.input").getValue();
    if (auto cache = mlir::dyn_cast<nn::KvCacheType>(type)) {
      arguments.push_back(nn::reference::KvCache<double>{cache.getHeads(), cache.getHeadDim(), {}});
    } else if (input == "tokens") {
      arguments.push_back(ids(tokens));
    } else if (input == "positions") {
      arguments.push_back(ids(countFrom(0, rows)));
    } else if (input == "token_types") {
      std::vector<int32_t> types(rows);
      for (int64_t row = 0; row < rows; ++row)
        types[row] = row % 2;
      arguments.push_back(ids(types));
    } else {
      arguments.push_back(ids(outputIds.empty() ? countFrom(0, rows) : outputIds));
    }
  }
  auto results = interpreter.call("forward", arguments);
  if (mlir::failed(results)) {
    ADD_FAILURE() << "evaluation fails";
    return {};
  }
  const std::vector<double> &values = results->front().getTensor()->values;
  return std::vector<float>(values.begin(), values.end());
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
