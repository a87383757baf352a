//===- TrainingTest.cpp - compiled gradients against the reference semantics ----------------------------===//

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "codegen/cpu/Linker.h"
#include "codegen/cpu/MachineCode.h"
#include "codegen/cpu/Pipeline.h"
#include "codegen/verify/LoadedProgram.h"
#include "dialects/nn/reference/Interpreter.h"
#include "dialects/nn/reference/UpstreamOps.h"
#include "mlir/Dialect/Func/Extensions/InlinerExtension.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"
#include "test/unit/codegen/CompiledProgram.h"
#include "llvm/Support/FileSystem.h"
#include <cstring>

using namespace llmc;
using namespace llmc::test;
using Value64 = nn::reference::RuntimeValue<double>;

namespace {

/// A function @loss with its gradients, compiled, and by the reference semantics.
class Training : public testing::Test {
protected:
  Training() {
    mlir::DialectRegistry registry;
    codegen::registerCpuDialects(registry);
    nn::reference::registerReferenceModels(registry);
    nn::registerGradientModels(registry);
    mlir::func::registerInlinerExtension(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
  }

  void compile(const std::string &text, int64_t rowCount, const std::string &cpu) {
    rows = rowCount;
    auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
    ASSERT_TRUE(module) << text;
    differentiated = module->clone();
    mlir::PassManager manager(&context);
    manager.addPass(mlir::createInlinerPass());
    manager.addPass(passes::createFixRows({rows}));
    manager.addPass(passes::createDifferentiate());
    ASSERT_TRUE(mlir::succeeded(manager.run(*differentiated)));

    absl::StatusOr<codegen::Target> target = codegen::getTarget(cpu);
    ASSERT_TRUE(target.ok());
    passes::TrainingPipelineOptions options;
    options.rows = rows;
    options.bf16Products = bf16Products;
    mlir::PassManager lowering(&context);
    passes::addPasses(lowering, passes::trainingPasses(options));
    passes::addPasses(lowering, codegen::tiledTrainingPasses(*target));
    passes::addPasses(lowering, codegen::llvmPasses());
    ASSERT_TRUE(mlir::succeeded(lowering.run(*module)));
    absl::StatusOr<std::string> object = codegen::emitCode(*module, *target, codegen::CodeForm::Object);
    ASSERT_TRUE(object.ok()) << object.status().message();
    llvm::SmallString<128> folder;
    ASSERT_FALSE(llvm::sys::fs::createUniqueDirectory("training-test", folder));
    absl::StatusOr<std::string> shared = codegen::linkShared(*object, folder.str().str());
    llvm::sys::fs::remove_directories(folder);
    ASSERT_TRUE(shared.ok()) << shared.status().message();
    auto program = codegen::LoadedProgram::load(*module, *shared, parameters);
    ASSERT_TRUE(program.ok()) << program.status().message();
    loaded = *std::move(program);
    for (auto param : module->getOps<nn::ParamOp>())
      offsets[param.getSymName()] = param->getAttrOfType<mlir::IntegerAttr>("llmc.offset").getInt();
  }

  /// Runs the step on made-up inputs; gradients are added to what the section holds.
  std::vector<float> runCompiled(int threads) {
    auto function = mlir::cast<mlir::func::FuncOp>(differentiated->lookupSymbol("loss"));
    std::vector<std::vector<float>> buffers;
    const size_t sectionSize = loaded->parameters().size() / sizeof(float);
    std::vector<float> parameterSection(sectionSize), gradients(sectionSize, 0.0F);
    std::memcpy(parameterSection.data(), loaded->parameters().as(), sectionSize * sizeof(float));
    std::vector<float> losses(rows);
    std::vector<void *> operands;
    size_t argument = 0;
    for (const std::string &name : loaded->operandsOf("loss")) {
      if (name == "parameters") {
        operands.push_back(parameterSection.data());
      } else if (name == "gradients") {
        operands.push_back(gradients.data());
      } else if (name == "losses") {
        operands.push_back(losses.data());
      } else {
        const Value64 input = makeInput(function.getArgument(argument).getType(), argument);
        ++argument;
        std::vector<float> &buffer = buffers.emplace_back();
        if (const auto *integers = input.getIntegers()) {
          buffer.resize(integers->values.size());
          std::memcpy(buffer.data(), integers->values.data(), buffer.size() * sizeof(float));
        } else {
          buffer.assign(input.getTensor()->values.begin(), input.getTensor()->values.end());
        }
        operands.push_back(buffer.data());
      }
    }
    std::unique_ptr<runtime::Team> team = *runtime::Team::create({.threads = threads});
    loaded->run("loss", operands, *team);
    gradients.insert(gradients.end(), losses.begin(), losses.end());
    return gradients;
  }

  /// The same by the reference semantics, in f64.
  std::vector<float> runReference() {
    auto function = mlir::cast<mlir::func::FuncOp>(differentiated->lookupSymbol("loss"));
    nn::reference::Interpreter<double> interpreter(*differentiated, &parameters);
    llvm::SmallVector<Value64> arguments;
    for (auto [index, type] : llvm::enumerate(function.getArgumentTypes()))
      arguments.push_back(makeInput(type, index));
    auto results = interpreter.call("loss", arguments);
    EXPECT_TRUE(mlir::succeeded(results));
    if (mlir::failed(results))
      return {};
    std::vector<float> section(loaded->parameters().size() / sizeof(float), 0.0F), losses;
    for (auto [index, result] : llvm::enumerate(*results)) {
      const auto &values = result.getTensor()->values;
      auto of = mlir::dyn_cast_or_null<mlir::FlatSymbolRefAttr>(function.getResultAttr(index, "nn.gradient"));
      if (!of) {
        losses.assign(values.begin(), values.end());
        continue;
      }
      float *place = section.data() + offsets.lookup(of.getValue()) / sizeof(float);
      for (size_t i = 0; i < values.size(); ++i)
        place[i] += static_cast<float>(values[i]);
    }
    section.insert(section.end(), losses.begin(), losses.end());
    return section;
  }

  /// Integers that are made up are below `integersBelow`.
  void check(const std::string &text, int64_t rowCount, int32_t below = 37) {
    integersBelow = below;
    for (const char *cpu : {"native", "x86-64-v3"}) {
      if (bf16Products && !codegen::getTarget(cpu)->hasBf16Dot)
        continue; // refused (lower-training-errors.mlir)
      SCOPED_TRACE(cpu);
      compile(text, rowCount, cpu);
      if (HasFatalFailure())
        return;
      const std::vector<float> one = runCompiled(1);
      expectNear(one, runReference(), bf16Products ? 2e-2 : 2e-5, "gradients and losses");
      expectSameBits(runCompiled(2), one, "two threads");
      expectSameBits(runCompiled(5), one, "five threads");
    }
  }

private:
  /// Ids, positions and segments are 0, 0, 1, ...; seeds and other numbers in [-1, 1].
  Value64 makeInput(mlir::Type type, unsigned seed) const {
    auto tensor = mlir::cast<mlir::RankedTensorType>(type);
    if (tensor.getElementType().isInteger()) {
      nn::reference::IntegerTensor integers(tensor.getShape());
      for (auto [i, value] : llvm::enumerate(integers.values))
        value = static_cast<int32_t>(i / (seed + 2)) % integersBelow;
      return integers;
    }
    std::mt19937 random(seed);
    nn::reference::Tensor<double> numbers(tensor.getShape());
    for (double &value : numbers.values)
      value = static_cast<float>(std::uniform_real_distribution<double>(-1, 1)(random));
    return numbers;
  }

  mlir::MLIRContext context{mlir::MLIRContext::Threading::DISABLED};
  RandomParameters parameters;
  mlir::OwningOpRef<mlir::ModuleOp> differentiated;
  std::unique_ptr<codegen::LoadedProgram> loaded;
  llvm::StringMap<int64_t> offsets;
  int64_t rows = 0;
  int32_t integersBelow = 37;

protected:
  bool bf16Products = false;
};

// Two layers that are one function, a table that is read twice, and widths that are no multiple of a vector.
const char kDecoder[] = R"mlir(
  nn.param @table : tensor<37xWIDTHxf32>
  nn.param @places.table : tensor<40xWIDTHxf32>
  nn.param @norm : tensor<WIDTHxf32>
  nn.param @norm.bias : tensor<WIDTHxf32>
  nn.param @q : tensor<WIDTHxWIDTHxf32>
  nn.param @k : tensor<KVWIDTHxWIDTHxf32>
  nn.param @v : tensor<KVWIDTHxWIDTHxf32>
  nn.param @o : tensor<WIDTHxWIDTHxf32>
  nn.param @o.bias : tensor<WIDTHxf32>
  nn.param @up : tensor<INNERxWIDTHxf32>
  nn.param @down : tensor<WIDTHxINNERxf32>
  func.func @loss(%tokens: tensor<?xi32> {nn.input = "tokens"}, %positions: tensor<?xi32> {nn.input = "positions"},
                  %segments: tensor<?xi32> {nn.input = "segments"}, %targets: tensor<?xi32> {nn.input = "targets"})
      -> (tensor<?x1xf32> {nn.output = "losses"}) {
    %table = nn.load @table : tensor<37xWIDTHxf32>
    %places = nn.load @places.table : tensor<40xWIDTHxf32>
    %w = nn.load @norm : tensor<WIDTHxf32>
    %b = nn.load @norm.bias : tensor<WIDTHxf32>
    %q = nn.load @q : tensor<WIDTHxWIDTHxf32>
    %k = nn.load @k : tensor<KVWIDTHxWIDTHxf32>
    %v = nn.load @v : tensor<KVWIDTHxWIDTHxf32>
    %o = nn.load @o : tensor<WIDTHxWIDTHxf32>
    %ob = nn.load @o.bias : tensor<WIDTHxf32>
    %up = nn.load @up : tensor<INNERxWIDTHxf32>
    %down = nn.load @down : tensor<WIDTHxINNERxf32>
    %t = nn.embedding %tokens, %table : tensor<?xi32>, tensor<37xWIDTHxf32> -> tensor<?xWIDTHxf32>
    %p = nn.embedding %positions, %places : tensor<?xi32>, tensor<40xWIDTHxf32> -> tensor<?xWIDTHxf32>
    %x = arith.addf %t, %p : tensor<?xWIDTHxf32>
    %y0 = call @layer(%x, %positions, %segments, %w, %b, %q, %k, %v, %o, %ob, %up, %down) : (tensor<?xWIDTHxf32>, tensor<?xi32>, tensor<?xi32>, tensor<WIDTHxf32>, tensor<WIDTHxf32>, tensor<WIDTHxWIDTHxf32>, tensor<KVWIDTHxWIDTHxf32>, tensor<KVWIDTHxWIDTHxf32>, tensor<WIDTHxWIDTHxf32>, tensor<WIDTHxf32>, tensor<INNERxWIDTHxf32>, tensor<WIDTHxINNERxf32>) -> tensor<?xWIDTHxf32>
    %y = call @layer(%y0, %positions, %segments, %w, %b, %q, %k, %v, %o, %ob, %up, %down) : (tensor<?xWIDTHxf32>, tensor<?xi32>, tensor<?xi32>, tensor<WIDTHxf32>, tensor<WIDTHxf32>, tensor<WIDTHxWIDTHxf32>, tensor<KVWIDTHxWIDTHxf32>, tensor<KVWIDTHxWIDTHxf32>, tensor<WIDTHxWIDTHxf32>, tensor<WIDTHxf32>, tensor<INNERxWIDTHxf32>, tensor<WIDTHxINNERxf32>) -> tensor<?xWIDTHxf32>
    %logits = nn.linear %y, %table : tensor<?xWIDTHxf32>, tensor<37xWIDTHxf32> -> tensor<?x37xf32>
    %loss = nn.cross_entropy %logits, %targets : tensor<?x37xf32>, tensor<?xi32> -> tensor<?x1xf32>
    return %loss : tensor<?x1xf32>
  }
  func.func private @layer(%x: tensor<?xWIDTHxf32>, %positions: tensor<?xi32>, %segments: tensor<?xi32>, %w: tensor<WIDTHxf32>, %b: tensor<WIDTHxf32>,
      %wq: tensor<WIDTHxWIDTHxf32>, %wk: tensor<KVWIDTHxWIDTHxf32>, %wv: tensor<KVWIDTHxWIDTHxf32>, %wo: tensor<WIDTHxWIDTHxf32>, %bo: tensor<WIDTHxf32>,
      %up: tensor<INNERxWIDTHxf32>, %down: tensor<WIDTHxINNERxf32>) -> tensor<?xWIDTHxf32> {
    %n = nn.layer_norm %x, %w bias %b epsilon 1.0e-5 : tensor<?xWIDTHxf32>, tensor<WIDTHxf32>, tensor<WIDTHxf32>
    %q0 = nn.linear %n, %wq : tensor<?xWIDTHxf32>, tensor<WIDTHxWIDTHxf32> -> tensor<?xWIDTHxf32>
    %k0 = nn.linear %n, %wk : tensor<?xWIDTHxf32>, tensor<KVWIDTHxWIDTHxf32> -> tensor<?xKVWIDTHxf32>
    %v = nn.linear %n, %wv : tensor<?xWIDTHxf32>, tensor<KVWIDTHxWIDTHxf32> -> tensor<?xKVWIDTHxf32>
    %q = nn.rope %q0 at %positions heads 4 dims DIMS theta 1.0e4 half : tensor<?xWIDTHxf32>, tensor<?xi32>
    %k = nn.rope %k0 at %positions heads 2 dims DIMS theta 1.0e4 half : tensor<?xKVWIDTHxf32>, tensor<?xi32>
    %a = nn.attention %q, %k, %v segments %segments : tensor<?xi32> heads 4 kv_heads 2 scale 0.3 causal ATTENTION
      : tensor<?xWIDTHxf32>, tensor<?xKVWIDTHxf32>, tensor<?xKVWIDTHxf32> -> tensor<?xWIDTHxf32>
    %ao = nn.linear %a, %wo bias %bo : tensor<?xWIDTHxf32>, tensor<WIDTHxWIDTHxf32>, tensor<WIDTHxf32> -> tensor<?xWIDTHxf32>
    %h = arith.addf %x, %ao : tensor<?xWIDTHxf32>
    %m = nn.rms_norm %h, %w epsilon 1.0e-5 : tensor<?xWIDTHxf32>, tensor<WIDTHxf32>
    %u = nn.linear %m, %up : tensor<?xWIDTHxf32>, tensor<INNERxWIDTHxf32> -> tensor<?xINNERxf32>
    %g = nn.gelu tanh %u : tensor<?xINNERxf32>
    %d = nn.linear %g, %down : tensor<?xINNERxf32>, tensor<WIDTHxINNERxf32> -> tensor<?xWIDTHxf32>
    %y = arith.addf %h, %d : tensor<?xWIDTHxf32>
    return %y : tensor<?xWIDTHxf32>
  }
)mlir";

std::string decoder(int64_t heads, int64_t inner, const std::string &attention = "") {
  return absl::StrReplaceAll(kDecoder, {{"KVWIDTH", absl::StrCat(2 * heads)},
                                        {"WIDTH", absl::StrCat(4 * heads)},
                                        {"INNER", absl::StrCat(inner)},
                                        {"DIMS", absl::StrCat(heads / 2 * 2)},
                                        {"ATTENTION", attention}});
}

TEST_F(Training, ADecoderOfWholeVectors) { check(decoder(16, 64), 32); }
TEST_F(Training, ADecoderOfOddSizes) { check(decoder(9, 53), 41); }
// More inputs than a sum takes at once, and more rows than a chunk.
TEST_F(Training, ManyRowsAndInputs) {
  check(R"mlir(
    nn.param @w : tensor<3x1030xf32>
    func.func @loss(%x: tensor<?x1030xf32> {nn.input = "x"}, %targets: tensor<?xi32> {nn.input = "targets"})
        -> (tensor<?x1xf32> {nn.output = "losses"}) {
      %w = nn.load @w : tensor<3x1030xf32>
      %y = nn.linear %x, %w : tensor<?x1030xf32>, tensor<3x1030xf32> -> tensor<?x3xf32>
      %z = nn.scale %y by 0.125 : tensor<?x3xf32>
      %loss = nn.cross_entropy %z, %targets : tensor<?x3xf32>, tensor<?xi32> -> tensor<?x1xf32>
      return %loss : tensor<?x1xf32>
    }
  )mlir",
        261, /*integersBelow=*/3);
}
// The reference does not round in f64. Blocks of tiles, whole and not, on the matrix unit where there is one.
TEST_F(Training, WholeTilesOfBf16) {
  bf16Products = true;
  check(decoder(16, 64), 32);
}
TEST_F(Training, PartsOfTilesOfBf16) {
  bf16Products = true;
  check(decoder(9, 53), 41);
}
TEST_F(Training, AWindow) { check(decoder(8, 20, "window 3"), 37); }
TEST_F(Training, Dropout) {
  check(
      absl::StrReplaceAll(
          decoder(9, 53),
          {{"%targets: tensor<?xi32> {nn.input = \"targets\"})",
            "%targets: tensor<?xi32> {nn.input = \"targets\"}, %draw: tensor<3xi32> {nn.input = \"draw\"})"},
           {"%y0 = call @layer(%x,",
            "%dropped = nn.dropout %x rows %positions draw %draw rate 0.3 stream 16 : tensor<?x36xf32>, "
            "tensor<?xi32>, tensor<3xi32>\n    %y0 = call @layer(%dropped,"}}),
      41);
}
TEST_F(Training, ATeacherAndSmoothLabels) {
  check(
      absl::StrReplaceAll(
          decoder(9, 53),
          {{"%loss = nn.cross_entropy %logits, %targets :",
            "%before = nn.linear %x, %table : tensor<?x36xf32>, tensor<37x36xf32> -> tensor<?x37xf32>\n"
            "    %kl = nn.kl_divergence %logits, %before : tensor<?x37xf32>, tensor<?x37xf32> -> "
            "tensor<?x1xf32>\n"
            "    %entropy = nn.cross_entropy %logits, %targets smoothing 0.1 :"},
           {"    return %loss", "    %loss = arith.addf %entropy, %kl : tensor<?x1xf32>\n    return %loss"}}),
      41);
}

// Attention to sources: of rows of their own, in other segments, and by distance among the queries.
const char kSources[] = R"mlir(
  nn.param @q : tensor<12x12xf32>
  nn.param @k : tensor<6x12xf32>
  nn.param @v : tensor<10x12xf32>
  nn.param @o : tensor<12x20xf32>
  nn.param @buckets : tensor<8x4xf32>
  nn.param @head : tensor<37x12xf32>
  func.func @loss(%x: tensor<?x12xf32> {nn.input = "x"}, %source: tensor<KEYSx12xf32> {nn.input = "source"},
                  %segments: tensor<?xi32> {nn.input = "segments"}, %others: tensor<KEYSxi32> {nn.input = "others"},
                  %targets: tensor<?xi32> {nn.input = "targets"}) -> (tensor<?x1xf32> {nn.output = "losses"}) {
    %wq = nn.load @q : tensor<12x12xf32>
    %wk = nn.load @k : tensor<6x12xf32>
    %wv = nn.load @v : tensor<10x12xf32>
    %wo = nn.load @o : tensor<12x20xf32>
    %buckets = nn.load @buckets : tensor<8x4xf32>
    %head = nn.load @head : tensor<37x12xf32>
    %q = nn.linear %x, %wq : tensor<?x12xf32>, tensor<12x12xf32> -> tensor<?x12xf32>
    %k = nn.linear %x, %wk : tensor<?x12xf32>, tensor<6x12xf32> -> tensor<?x6xf32>
    %v = nn.linear %x, %wv : tensor<?x12xf32>, tensor<10x12xf32> -> tensor<?x10xf32>
    %here = arith.constant dense<0> : tensor<1xi32>
    %around = arith.constant dense<[-6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6]> : tensor<13xi32>
    %bias = nn.relative_position_bias %here, %around, %buckets max_distance 6 BIAS
      : tensor<1xi32>, tensor<13xi32>, tensor<8x4xf32> -> tensor<4x13xf32>
    %s = nn.attention %q, %k, %v segments %segments : tensor<?xi32> bias %bias : tensor<4x13xf32> by_distance
      heads 4 kv_heads 2 scale 0.6 CAUSAL {SEQUENCE} : tensor<?x12xf32>, tensor<?x6xf32>, tensor<?x10xf32> -> tensor<?x20xf32>
    %so = nn.linear %s, %wo : tensor<?x20xf32>, tensor<12x20xf32> -> tensor<?x12xf32>
    %h = arith.addf %x, %so : tensor<?x12xf32>
    %cq = nn.linear %h, %wq : tensor<?x12xf32>, tensor<12x12xf32> -> tensor<?x12xf32>
    %ck = nn.linear %source, %wk : tensor<KEYSx12xf32>, tensor<6x12xf32> -> tensor<KEYSx6xf32>
    %cv = nn.linear %source, %wv : tensor<KEYSx12xf32>, tensor<10x12xf32> -> tensor<KEYSx10xf32>
    %c = nn.attention %cq, %ck, %cv segments %segments : tensor<?xi32> key_segments %others : tensor<KEYSxi32>
      heads 4 kv_heads 2 scale 0.6 {SEQUENCE} : tensor<?x12xf32>, tensor<KEYSx6xf32>, tensor<KEYSx10xf32> -> tensor<?x20xf32>
    %co = nn.linear %c, %wo : tensor<?x20xf32>, tensor<12x20xf32> -> tensor<?x12xf32>
    %y = arith.addf %h, %co : tensor<?x12xf32>
    %logits = nn.linear %y, %head : tensor<?x12xf32>, tensor<37x12xf32> -> tensor<?x37xf32>
    %loss = nn.cross_entropy %logits, %targets : tensor<?x37xf32>, tensor<?xi32> -> tensor<?x1xf32>
    return %loss : tensor<?x1xf32>
  }
)mlir";

std::string sources(int64_t keys, const char *causal, const char *bias, const char *sequence) {
  return absl::StrReplaceAll(
      kSources, {{"KEYS", absl::StrCat(keys)}, {"CAUSAL", causal}, {"BIAS", bias}, {"SEQUENCE", sequence}});
}

// Segments of queries are of four rows, those of keys of five: the last queries see no key.
TEST_F(Training, SourcesThatEndEarlier) { check(sources(13, "causal", "", ""), 29); }
TEST_F(Training, SourcesThatGoOn) { check(sources(41, "", "bidirectional", ""), 23); }
TEST_F(Training, SourcesSideBySide) {
  check(sources(50, "causal", "bidirectional", "nn.sequence_rows = 20 : i64"), 40);
}
TEST_F(Training, ASoftcap) { check(decoder(8, 20, "softcap 0.5"), 19); }

} // namespace
