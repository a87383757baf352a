// What kernels are made of, on every number that matters, for processors that have instructions for it and
// for those that have none.
#include "absl/cleanup/cleanup.h"
#include "codegen/common/KernelBuilder.h"
#include "codegen/cpu/ElementwiseMath.h"
#include "codegen/cpu/Linker.h"
#include "codegen/cpu/MachineCode.h"
#include "codegen/cpu/Pipeline.h"
#include "codegen/cpu/TileEmitter.h"
#include "dialects/blocks/HalfFloat.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/FileSystem.h"
#include "gtest/gtest.h"
#include <bit>
#include <cmath>
#include <dlfcn.h>
#include <fstream>
#include <random>

using namespace llmc;
using namespace llmc::codegen;
using namespace mlir;

namespace {

class ElementwiseTest : public testing::TestWithParam<const char *> {
protected:
  ElementwiseTest() : target(*getTarget(GetParam())), context(registry()) {
    context.loadAllAvailableDialects();
  }

  static DialectRegistry registry() {
    DialectRegistry registry;
    registerCpuDialects(registry);
    return registry;
  }

  /// f(x) for all `inputs`, a multiple of 16 of them, by compiled code: `emit` makes a native vector of one.
  template <typename Out, typename In>
  std::vector<Out> map(const std::vector<In> &inputs, Type from, Type to,
                       llvm::function_ref<Value(KernelBuilder &, Value)> emit) {
    OpBuilder builder(&context);
    OwningOpRef<ModuleOp> module = ModuleOp::create(builder.getUnknownLoc());
    builder.setInsertionPointToEnd(module->getBody());
    KernelBuilder b(builder.getUnknownLoc(), builder, target);
    const auto count = static_cast<int64_t>(inputs.size());
    func::FuncOp function =
        b.beginFunction(*module, "map", {bufferType({count}, from), bufferType({count}, to)});
    function.setPublic();
    Value source = function.getArgument(0), destination = function.getArgument(1);
    b.loop(b.index(0), b.index(count), b.lanes,
           [&](Value i) { b.storeVector(emit(b, b.loadVector(source, {i})), destination, {i}); });
    PassManager lowering(&context);
    passes::PassList list = llvmPasses();
    list.pop_back(); // step-entry would hide the function
    passes::addPasses(lowering, std::move(list));
    EXPECT_TRUE(succeeded(lowering.run(*module)));
    std::vector<Out> outputs(inputs.size());
    call(*module, inputs.data(), outputs.data());
    return outputs;
  }

  const Target target;
  MLIRContext context;

private:
  void call(ModuleOp module, const void *inputs, void *outputs) {
    absl::StatusOr<std::string> object = emitCode(module, target, CodeForm::Object);
    ASSERT_TRUE(object.ok()) << object.status().message();
    llvm::SmallString<128> folder;
    ASSERT_FALSE(llvm::sys::fs::createUniqueDirectory("elementwise-test", folder));
    absl::Cleanup removeFolder = [&] { llvm::sys::fs::remove_directories(folder); };
    absl::StatusOr<std::string> shared = linkShared(*object, folder.str().str());
    ASSERT_TRUE(shared.ok()) << shared.status().message();
    const std::string path = (folder + "/map.so").str();
    std::ofstream(path, std::ios::binary) << *shared;
    void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    ASSERT_NE(library, nullptr) << dlerror();
    auto *function = reinterpret_cast<void (*)(const void *, void *)>(dlsym(library, "map"));
    ASSERT_NE(function, nullptr);
    function(inputs, outputs);
    dlclose(library);
  }
};

TEST_P(ElementwiseTest, ExtendsEveryF16) {
  std::vector<uint16_t> inputs(65536);
  std::iota(inputs.begin(), inputs.end(), 0);
  Builder types(&context);
  const auto outputs = map<float>(inputs, types.getF16Type(), types.getF32Type(),
                                  [](KernelBuilder &b, Value x) { return b.extendF16(x); });
  for (uint32_t i = 0; i < 65536; ++i) {
    const float expected = blocks::halfToFloat(static_cast<uint16_t>(i));
    if (std::isnan(expected))
      ASSERT_TRUE(std::isnan(outputs[i])) << i;
    else
      ASSERT_EQ(std::bit_cast<uint32_t>(outputs[i]), std::bit_cast<uint32_t>(expected)) << i;
  }
}

/// Every f16, the numbers halfway between two of them and the f32 on either side of those, and others.
std::vector<float> numbersAroundF16() {
  std::vector<float> numbers;
  for (uint32_t half = 0; half < 0x7c00; ++half)
    for (uint32_t sign : {0U, 0x80000000U}) {
      const float from = blocks::halfToFloat(static_cast<uint16_t>(half)),
                  to = half == 0x7bff ? 65536 : blocks::halfToFloat(static_cast<uint16_t>(half + 1));
      const uint32_t middle = std::bit_cast<uint32_t>((from + to) / 2);
      for (uint32_t bits : {std::bit_cast<uint32_t>(from), middle - 1, middle, middle + 1})
        numbers.push_back(std::bit_cast<float>(bits | sign));
    }
  std::mt19937 random(1);
  while (numbers.size() % 65536 != 0)
    numbers.push_back(std::bit_cast<float>(static_cast<uint32_t>(random())));
  numbers[numbers.size() - 1] = INFINITY;
  numbers[numbers.size() - 2] = -INFINITY;
  return numbers;
}

TEST_P(ElementwiseTest, RoundsToTheNearestF16) {
  const std::vector<float> inputs = numbersAroundF16();
  Builder types(&context);
  const auto outputs = map<uint16_t>(inputs, types.getF32Type(), types.getF16Type(),
                                     [](KernelBuilder &b, Value x) { return b.roundToF16(x); });
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (std::isnan(inputs[i]))
      ASSERT_TRUE(std::isnan(blocks::halfToFloat(outputs[i]))) << inputs[i];
    else
      ASSERT_EQ(outputs[i], blocks::floatToHalf(inputs[i])) << std::hexfloat << inputs[i];
  }
}

TEST_P(ElementwiseTest, RoundsHalvesAwayFromZero) {
  // Every eighth of a small number, its neighbours, and large ones.
  std::vector<float> inputs;
  for (int eighths = -2048; eighths < 2048; ++eighths)
    for (float x : {static_cast<float>(eighths) / 8})
      inputs.insert(inputs.end(), {x, std::nextafter(x, -1e9F), std::nextafter(x, 1e9F), 1000 * x});
  for (float x : {0.5F, 32511.5F, 4194302.5F, 4194303.5F})
    for (float sign : {1.0F, -1.0F})
      inputs.insert(inputs.end(), {sign * x, sign * std::nextafter(x, 0.0F)});
  ASSERT_EQ(inputs.size() % 16, 0U);
  Builder types(&context);
  const auto outputs = map<int32_t>(inputs, types.getF32Type(), types.getI32Type(),
                                    [](KernelBuilder &b, Value x) { return b.roundHalfAway(x); });
  for (size_t i = 0; i < inputs.size(); ++i)
    ASSERT_EQ(outputs[i], std::lround(inputs[i])) << std::hexfloat << inputs[i];
}

/// Every `stride`th f32 from -`limit` to `limit`.
std::vector<float> numbersUpTo(float limit, uint32_t stride) {
  std::vector<float> numbers;
  for (uint32_t bits = 0; bits <= std::bit_cast<uint32_t>(limit); bits += stride)
    for (uint32_t sign : {0U, 0x80000000U})
      numbers.push_back(std::bit_cast<float>(bits | sign));
  while (numbers.size() % 16 != 0)
    numbers.push_back(0);
  return numbers;
}

/// The distance of two numbers in units of the last place of `exact`, rounded to f32.
double ulps(float found, double exact) {
  const float rounded = static_cast<float>(exact);
  return std::abs(found - exact) / (std::nextafter(rounded, INFINITY) - rounded);
}

// The bounds that TileEmitter.h states come from a run over every f32; this is a sample.
TEST_P(ElementwiseTest, ExpIsNearlyExact) {
  const std::vector<float> inputs = numbersUpTo(87.3F, /*stride=*/9973);
  const std::vector<float> edges = {-INFINITY, -1e30F, -104, -89, -88, 88, 89, 1e30F, INFINITY, NAN};
  Builder types(&context);
  auto emit = [](KernelBuilder &b, Value x) { return emitExp(b, x); };
  const auto outputs = map<float>(inputs, types.getF32Type(), types.getF32Type(), emit);
  for (size_t i = 0; i < inputs.size(); ++i)
    ASSERT_LT(ulps(outputs[i], std::exp(static_cast<double>(inputs[i]))), 1.02) << std::hexfloat << inputs[i];
  std::vector<float> padded = edges;
  padded.resize(16);
  const auto atEdges = map<float>(padded, types.getF32Type(), types.getF32Type(), emit);
  for (size_t i = 0; i < 5; ++i)
    EXPECT_EQ(atEdges[i], 0) << edges[i];
  EXPECT_LT(ulps(atEdges[5], std::exp(88.0)), 1.02);
  for (size_t i = 6; i < 9; ++i)
    EXPECT_EQ(atEdges[i], INFINITY) << edges[i];
  EXPECT_TRUE(std::isnan(atEdges[9]));
}

TEST_P(ElementwiseTest, TanhAndErfAreNearlyExact) {
  const std::vector<float> inputs = numbersUpTo(20.0F, /*stride=*/9973);
  Builder types(&context);
  const auto tanh = map<float>(inputs, types.getF32Type(), types.getF32Type(),
                               [](KernelBuilder &b, Value x) -> Value { return math::TanhOp::create(b, x); });
  const auto erf = map<float>(inputs, types.getF32Type(), types.getF32Type(),
                              [](KernelBuilder &b, Value x) -> Value { return math::ErfOp::create(b, x); });
  for (size_t i = 0; i < inputs.size(); ++i) {
    const double x = inputs[i], least = 1e-37; // below that numbers lose digits
    ASSERT_LE(std::abs(tanh[i] - std::tanh(x)), 3e-7 * std::abs(std::tanh(x)) + least) << inputs[i];
    ASSERT_LE(std::abs(erf[i] - std::erf(x)), 3e-7 * std::abs(std::erf(x)) + least) << inputs[i];
  }
}

/// `name` on f32, if it is an operation that isElementwiseMath() and needs no attributes; else null.
OwningOpRef<Operation *> makeElementwise(RegisteredOperationName name, MLIRContext &context, ValueRange x) {
  ScopedDiagnosticHandler ignored(&context, [](Diagnostic &) { return success(); });
  for (unsigned operands = 1; operands <= x.size(); ++operands) {
    OperationState state(UnknownLoc::get(&context), name);
    state.addOperands(x.take_front(operands));
    state.addTypes(x[0].getType());
    OwningOpRef<Operation *> op(Operation::create(state));
    if (succeeded(verify(*op)) && isElementwiseMath(*op))
      return OwningOpRef<Operation *>(op.release());
  }
  return {};
}

// Whatever upstream has: what kernels take must be found where an artifact runs.
TEST_P(ElementwiseTest, NoAcceptedOperationCallsALibrary) {
  OpBuilder builder(&context);
  Block block;
  for (int i = 0; i < 3; ++i)
    block.addArgument(builder.getF32Type(), builder.getUnknownLoc());
  std::vector<float> inputs(16, 0.5F);
  int accepted = 0, refused = 0;
  for (RegisteredOperationName name : context.getRegisteredOperations()) {
    if (!llvm::is_contained({"arith", "math"}, name.getDialectNamespace()))
      continue;
    OwningOpRef<Operation *> op = makeElementwise(name, context, block.getArguments());
    if (!op)
      continue;
    if (!becomesInstructions(*op)) {
      ++refused;
      continue;
    }
    ++accepted;
    SCOPED_TRACE(name.getStringRef().str());
    map<float>(inputs, builder.getF32Type(), builder.getF32Type(), [&](KernelBuilder &b, Value x) {
      return applyElementwise(b, *op, SmallVector<Value>(op->getNumOperands(), x));
    });
  }
  EXPECT_GE(accepted, 25);
  EXPECT_GE(refused, 10);
}

INSTANTIATE_TEST_SUITE_P(, ElementwiseTest, testing::Values("native", "x86-64-v3", "x86-64-v2", "x86-64"),
                         [](const auto &info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

} // namespace
