//===- LoadedProgram.cpp - compiled steps in the process that compiled them ----------------------------===//

#include "codegen/verify/LoadedProgram.h"
#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "codegen/common/ParameterStream.h"
#include "codegen/common/TemporaryFiles.h"
#include "codegen/cpu/LowerToCpu.h"
#include "codegen/cpu/Pipeline.h"
#include "runtime/io/LoadError.h"
#include "runtime/io/Message.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"
#include <cstring>
#include <dlfcn.h>
#include <numeric>

using namespace mlir;

namespace llmc::codegen {

static int64_t integerOf(Operation *op, StringRef attribute) {
  auto integer = op->getAttrOfType<IntegerAttr>(attribute);
  return integer ? integer.getInt() : 0;
}

std::vector<int32_t> countFrom(int64_t first, int64_t count) {
  std::vector<int32_t> numbers(count);
  std::iota(numbers.begin(), numbers.end(), static_cast<int32_t>(first));
  return numbers;
}

absl::StatusOr<std::unique_ptr<LoadedProgram>>
LoadedProgram::load(ModuleOp program, const std::string &sharedObject, nn::ParameterSource &parameters) {
  std::unique_ptr<LoadedProgram> loaded(new LoadedProgram);
  absl::Status status = loaded->placeWeights(program, parameters);
  if (status.ok())
    status = loaded->openLibrary(sharedObject);
  if (status.ok())
    status = loaded->findSteps(program);
  if (!status.ok())
    return status;
  return loaded;
}

LoadedProgram::~LoadedProgram() {
  if (library)
    dlclose(library);
}

absl::Status LoadedProgram::placeWeights(ModuleOp program, nn::ParameterSource &parameters) {
  weights = std::make_unique<GuardedMemory>(integerOf(program, kWeightsBytesAttribute));
  cacheBytes = integerOf(program, kCacheBytesAttribute);
  ParameterStream stream(program, parameters);
  for (auto param : program.getOps<nn::ParamOp>()) {
    if (!param->hasAttr(kOffsetAttribute))
      continue;
    size_t at = integerOf(param, kOffsetAttribute);
    absl::Status status = stream.stream(param, [&](absl::Span<const uint8_t> bytes) {
      if (at + bytes.size() > weights->size())
        return absl::OutOfRangeError(absl::StrCat("parameter '", param.getSymName().str(),
                                                  "' is larger than its place among the weights"));
      std::memcpy(weights->as() + at, bytes.data(), bytes.size());
      at += bytes.size();
      return absl::OkStatus();
    });
    if (!status.ok())
      return status;
  }
  return absl::OkStatus();
}

absl::Status LoadedProgram::openLibrary(const std::string &sharedObject) {
  llvm::SmallString<128> path;
  int descriptor;
  if (std::error_code error = llvm::sys::fs::createTemporaryFile("llmc-steps", "so", descriptor, path))
    return temporaryFilesError(error);
  absl::Cleanup removeFile = [&] { llvm::sys::fs::remove(path); };
  llvm::raw_fd_ostream file(descriptor, /*shouldClose=*/true);
  file << sharedObject;
  file.close();
  if (file.has_error()) {
    std::string reason = file.error().message();
    file.clear_error();
    return absl::DataLossError(absl::StrCat(path.c_str(), ": cannot be written: ", reason));
  }
  library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library)
    return absl::OkStatus();
  const char *reason = dlerror();
  return io::withContext(llvm::sys::path::parent_path(path).str(), io::loadError(path.c_str(), reason));
}

absl::Status LoadedProgram::findSteps(ModuleOp program) {
  for (Operation &function : *program.getBody()) {
    auto name = function.getAttrOfType<StringAttr>(kStepAttribute);
    if (!name)
      continue;
    const std::string symbol = stepSymbol(name.getValue());
    void *address = dlsym(library, symbol.c_str());
    if (!address)
      return absl::InternalError(absl::StrCat("the code has no function '", symbol, "'"));
    steps[name.getValue()] = reinterpret_cast<LlmcStepFunction>(address);
    if (auto operands = function.getAttrOfType<ArrayAttr>(kOperandsAttribute))
      for (StringRef operand : operands.getAsValueRange<StringAttr>())
        operandNames[name.getValue()].push_back(operand.str());
    arenaBytes = std::max(arenaBytes, integerOf(&function, kArenaBytesAttribute));
    outputWidth = integerOf(&function, kOutputWidthAttribute);
  }
  return steps.empty() ? absl::InternalError("the program has no steps") : absl::OkStatus();
}

std::unique_ptr<GuardedMemory> LoadedProgram::makeCache() const {
  auto cache = std::make_unique<GuardedMemory>(cacheBytes);
  std::memset(cache->as(), 0, cacheBytes);
  return cache;
}

template <typename T> static std::unique_ptr<GuardedMemory> guarded(const std::vector<T> &numbers) {
  auto memory = std::make_unique<GuardedMemory>(numbers.size() * sizeof(T));
  llvm::copy(numbers, memory->template as<T>());
  return memory;
}

void LoadedProgram::run(StringRef name, ArrayRef<void *> operands, runtime::Team &team) const {
  GuardedMemory arena(arenaBytes);
  LlmcStep step = {};
  step.arena = arena.as();
  step.operands = operands.data();
  team.run(steps.lookup(name), step);
  team.settle();
}

absl::StatusOr<std::vector<float>> LoadedProgram::run(StringRef name, const StepInputs &inputs,
                                                      const GuardedMemory &cache, runtime::Team &team) const {
  const int64_t rows = inputs.tokens.size(), wanted = inputs.outputIds.size();
  auto tokens = guarded(inputs.tokens), positions = guarded(countFrom(inputs.firstPosition, rows)),
       types = guarded(inputs.tokenTypes), ids = guarded(inputs.outputIds),
       cacheOffsets = guarded(std::vector<int64_t>(rows)); // of one sequence: all 0
  GuardedMemory arena(arenaBytes), output(wanted * outputWidth * sizeof(float));
  LlmcStep step = {};
  step.rows = rows;
  step.output_rows = wanted;
  step.tokens = tokens->as<int32_t>();
  step.positions = positions->as<int32_t>();
  step.token_types = types->as<int32_t>();
  step.output_ids = ids->as<int32_t>();
  step.weights = weights->as();
  step.arena = arena.as();
  step.cache = cache.as();
  step.cache_offsets = cacheOffsets->as<int64_t>();
  step.output = output.as<float>();
  team.run(steps.lookup(name), step);
  team.settle();
  if (!output.isIntactBehindEnd())
    return absl::OutOfRangeError(absl::StrCat("step '", name.str(), "' writes behind the end of its output"));
  return std::vector<float>(output.as<float>(), output.as<float>() + wanted * outputWidth);
}

} // namespace llmc::codegen
