// Packed weights hold the numbers of the file, and parameters are evaluated row by row.

#include "absl/strings/str_cat.h"
#include "codegen/common/PanelLayout.h"
#include "codegen/common/ParameterStream.h"
#include "codegen/cpu/Pipeline.h"
#include "dialects/blocks/HalfFloat.h"
#include "mlir/Parser/Parser.h"
#include "test/unit/codegen/RandomParameters.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include <cmath>
#include <cstring>

using namespace llmc;
using blocks::StorageFormat;
using codegen::PanelLayout;
using testing::ElementsAre;
using testing::ElementsAreArray;

namespace {

mlir::MLIRContext &contextOfTests() {
  static mlir::MLIRContext *context = [] {
    mlir::DialectRegistry registry;
    codegen::registerCpuDialects(registry);
    auto *made = new mlir::MLIRContext(registry, mlir::MLIRContext::Threading::DISABLED);
    made->loadAllAvailableDialects();
    return made;
  }();
  return *context;
}

template <typename T> T loadAs(const uint8_t *from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return value;
}

/// Inputs of the aligned weights that are packed: the last run is no whole one where the format allows it.
int64_t alignedInputs(StorageFormat format) {
  return 6 * PanelLayout::run + (blocks::traitsOf(format).blockElements == 32 ? 32 : 0);
}

/// The number that output `lane` of a panel has for input `k`, read as PanelLayout.h describes records.
float unpacked(const PanelLayout &layout, const uint8_t *panel, int64_t lane, int64_t k) {
  const uint8_t *record =
      panel + layout.unitBytes(alignedInputs(layout.source)) + k / layout.groupSize * layout.recordBytes();
  const int64_t i = k % layout.groupSize;
  if (layout.kind == PanelLayout::Kind::F32)
    return loadAs<float>(record + lane * 4);
  if (layout.kind == PanelLayout::Kind::BF16)
    return blocks::bfloatToFloat(loadAs<uint16_t>(record + lane * 4 + i * 2));
  int code = 0;
  if (layout.codeBits == 8) {
    code = record[(i / 4 * layout.lanes + lane) * 4 + i % 4];
  } else {
    const uint8_t byte = record[(i / 8 * layout.lanes + lane) * 4 + i % 4];
    code = i % 8 < 4 ? byte & 15 : byte >> 4;
  }
  if (layout.aligned) {
    const uint8_t *numbers = record + layout.scaleOffset() + lane * layout.scaleBytes() / layout.lanes;
    const int minimum = layout.hasMin ? loadAs<int16_t>(numbers + 2) : 0;
    const int exponent = panel[k / PanelLayout::run * layout.lanes + lane];
    return std::ldexp(static_cast<float>(loadAs<int16_t>(numbers) * (code - layout.center()) + minimum),
                      exponent - 127);
  }
  auto scaleAt = [&](int64_t offset) {
    return layout.wideScales ? loadAs<float>(record + offset + lane * 4)
                             : blocks::halfToFloat(loadAs<uint16_t>(record + offset + lane * 2));
  };
  const float scale = scaleAt(layout.scaleOffset());
  return layout.hasMin ? scale * code + scaleAt(layout.minOffset()) : scale * (code - layout.zeroCode);
}

mlir::Type elementOf(StorageFormat format) {
  mlir::MLIRContext *context = &contextOfTests();
  switch (format) {
  case StorageFormat::F32:
    return mlir::Float32Type::get(context);
  case StorageFormat::F16:
    return mlir::Float16Type::get(context);
  case StorageFormat::BF16:
    return mlir::BFloat16Type::get(context);
  default:
    return nn::BlockType::get(context,
                              *nn::symbolizeBlockFormat(llvm::StringRef(blocks::nameOf(format)).lower()));
  }
}

class PanelLayoutTest : public testing::TestWithParam<std::tuple<StorageFormat, int>> {};

TEST_P(PanelLayoutTest, PacksEveryNumber) {
  auto [format, lanes] = GetParam();
  const bool isQuantized = blocks::traitsOf(format).isQuantized();
  const int64_t inputs = isQuantized ? 512 : 33, outputs = lanes - 1;
  const PanelLayout layout = PanelLayout::get(elementOf(format), lanes);
  test::RandomParameters random;
  auto type = mlir::RankedTensorType::get({outputs, inputs}, elementOf(format));
  llvm::ArrayRef<uint8_t> contents = *random.getContents("weight", type);

  const int64_t rowBytes = blocks::bytesOf(format, inputs);
  std::vector<const uint8_t *> rows;
  for (int64_t row = 0; row < outputs; ++row)
    rows.push_back(contents.data() + row * rowBytes);
  rows.push_back(nullptr); // the last panel of a weight may have fewer rows
  std::vector<uint8_t> panel(layout.groups(inputs) * layout.recordBytes(), 0xff);
  layout.packPanel(rows, inputs, panel.data());

  std::vector<float> expected(inputs);
  for (int64_t lane = 0; lane < lanes; ++lane) {
    if (lane < outputs)
      blocks::dequantize(format, rows[lane], inputs, expected.data());
    else
      std::fill(expected.begin(), expected.end(), 0.0f);
    for (int64_t k = 0; k < inputs; ++k)
      ASSERT_EQ(unpacked(layout, panel.data(), lane, k), expected[k]) << "output " << lane << ", input " << k;
  }
  if (layout.kind == PanelLayout::Kind::BF16)
    EXPECT_EQ(unpacked(layout, panel.data(), 0, inputs), 0.0f) << "the second of the last pair is padding";
}

TEST_P(PanelLayoutTest, PacksAlignedScales) {
  auto [format, lanes] = GetParam();
  if (!blocks::traitsOf(format).isQuantized())
    return;
  auto element = llvm::cast<nn::BlockType>(elementOf(format));
  const PanelLayout layout = PanelLayout::get(
      nn::BlockType::get(element.getContext(), element.getFormat(), /*aligned=*/true), lanes);
  const int64_t inputs = alignedInputs(format);
  test::RandomParameters random;
  auto type = mlir::RankedTensorType::get({lanes, inputs}, element);
  llvm::ArrayRef<uint8_t> contents = *random.getContents("weight", type);
  const int64_t rowBytes = blocks::bytesOf(format, inputs),
                alignedBytes = blocks::alignedBytesOf(format, inputs);
  std::vector<uint8_t> aligned(lanes * alignedBytes);
  std::vector<const uint8_t *> rows;
  for (int64_t row = 0; row < lanes; ++row) {
    uint8_t *target = aligned.data() + row * alignedBytes;
    blocks::alignRow(format, contents.data() + row * rowBytes, inputs, target);
    rows.push_back(target);
  }
  std::vector<uint8_t> panel(layout.panelBytes(inputs), 0xff);
  layout.packPanel(rows, inputs, panel.data());
  std::vector<float> expected(inputs);
  for (int64_t lane = 0; lane < lanes; ++lane) {
    blocks::dequantize(format, contents.data() + lane * rowBytes, inputs, expected.data());
    const float largest =
        std::abs(*llvm::max_element(expected, [](float a, float b) { return std::abs(a) < std::abs(b); }));
    for (int64_t k = 0; k < inputs; ++k)
      ASSERT_NEAR(unpacked(layout, panel.data(), lane, k), expected[k], largest * 0x1p-10)
          << "output " << lane << ", input " << k;
  }
}

std::vector<StorageFormat> packedFormats() {
  std::vector<StorageFormat> formats(blocks::allFormats.begin(), blocks::allFormats.end());
  std::erase(formats, StorageFormat::F16); // is converted before
  return formats;
}

INSTANTIATE_TEST_SUITE_P(, PanelLayoutTest,
                         testing::Combine(testing::ValuesIn(packedFormats()), testing::Values(4, 8, 16)),
                         [](const auto &info) {
                           return absl::StrCat(std::string(blocks::nameOf(std::get<0>(info.param))),
                                               "_lanes_", std::get<1>(info.param));
                         });

//===----------------------------------------------------------------------===//
// ParameterStream
//===----------------------------------------------------------------------===//

/// Parameter "a" is 0, 1, 2, ... in f32 or f16; "b" is 1000, 1001, ...
class CountingParameters : public nn::ParameterSource {
public:
  llvm::Expected<llvm::ArrayRef<uint8_t>> getContents(llvm::StringRef name,
                                                      mlir::RankedTensorType type) override {
    if (name == "missing")
      return llvm::createStringError("model: tensor 'missing' is missing");
    std::vector<uint8_t> &bytes = contents[name];
    const StorageFormat format = codegen::storageFormatOf(type.getElementType());
    bytes.resize(blocks::bytesOf(format, type.getNumElements()));
    for (int64_t i = 0; i < type.getNumElements(); ++i) {
      const float value = (name == "b" ? 1000.0f : name == "huge" ? 1e30f : 0.0f) + i;
      blocks::quantize(format, &value, 1, bytes.data() + i * blocks::bytesOf(format, 1));
    }
    return llvm::ArrayRef(bytes);
  }
  llvm::StringMap<std::vector<uint8_t>> contents;
};

/// The bytes of @p in the program `text`.
absl::StatusOr<std::vector<uint8_t>> streamed(const std::string &text) {
  mlir::OwningOpRef<mlir::ModuleOp> module = mlir::parseSourceString<mlir::ModuleOp>(text, &contextOfTests());
  EXPECT_TRUE(module);
  CountingParameters source;
  codegen::ParameterStream stream(*module, source);
  std::vector<uint8_t> bytes;
  absl::Status status =
      stream.stream(mlir::cast<nn::ParamOp>(module->lookupSymbol("p")), [&](absl::Span<const uint8_t> piece) {
        bytes.insert(bytes.end(), piece.begin(), piece.end());
        return absl::OkStatus();
      });
  if (!status.ok())
    return status;
  return bytes;
}

std::vector<float> floatsOf(const absl::StatusOr<std::vector<uint8_t>> &bytes) {
  EXPECT_TRUE(bytes.ok()) << bytes.status().message();
  std::vector<float> floats(bytes.ok() ? bytes->size() / 4 : 0);
  if (!floats.empty())
    std::memcpy(floats.data(), bytes->data(), floats.size() * 4);
  return floats;
}

TEST(ParameterStreamTest, GivesTensorsAsTheyAre) {
  EXPECT_THAT(floatsOf(streamed("nn.param @p : tensor<2x3xf32> from \"b\"")),
              ElementsAre(1000, 1001, 1002, 1003, 1004, 1005));
  EXPECT_THAT(floatsOf(streamed("nn.param @p : tensor<3xf32> from \"b\"")), ElementsAre(1000, 1001, 1002));
}

TEST(ParameterStreamTest, ConvertsRowByRow) {
  EXPECT_THAT(floatsOf(streamed(R"(
nn.param @a : tensor<2x2xf16>
nn.param @p : tensor<2x2xf32> = {
  %0 = nn.load @a : tensor<2x2xf16>
  %1 = nn.convert %0 : tensor<2x2xf16> -> tensor<2x2xf32>
  nn.yield %1 : tensor<2x2xf32>
})")),
              ElementsAre(0, 1, 2, 3));
  // Of vectors too, and of parameters that are derived themselves.
  EXPECT_THAT(floatsOf(streamed(R"(
nn.param @b : tensor<2xf16>
nn.param @middle : tensor<2xf32> = {
  %0 = nn.load @b : tensor<2xf16>
  %1 = nn.convert %0 : tensor<2xf16> -> tensor<2xf32>
  nn.yield %1 : tensor<2xf32>
}
nn.param @p : tensor<4xf32> = {
  %0 = nn.load @middle : tensor<2xf32>
  %1 = nn.concat %0, %0 : tensor<2xf32>, tensor<2xf32> -> tensor<4xf32>
  nn.yield %1 : tensor<4xf32>
})")),
              ElementsAre(1000, 1001, 1000, 1001));
}

TEST(ParameterStreamTest, AddsAndMultiplies) {
  EXPECT_THAT(floatsOf(streamed(R"(
nn.param @a : tensor<3xf32>
nn.param @p : tensor<3xf32> = {
  %0 = nn.load @a : tensor<3xf32>
  %one = arith.constant dense<1.0> : tensor<3xf32>
  %1 = arith.addf %0, %one : tensor<3xf32>
  nn.yield %1 : tensor<3xf32>
})")),
              ElementsAre(1, 2, 3));
  EXPECT_THAT(floatsOf(streamed(R"(
nn.param @a : tensor<2x2xf32>
nn.param @b : tensor<2x2xf32>
nn.param @p : tensor<2x2xf32> = {
  %0 = nn.load @a : tensor<2x2xf32>
  %1 = nn.load @b : tensor<2x2xf32>
  %half = arith.constant dense<0.5> : tensor<2x2xf32>
  %2 = arith.mulf %1, %half : tensor<2x2xf32>
  %3 = arith.addf %0, %2 : tensor<2x2xf32>
  nn.yield %3 : tensor<2x2xf32>
})")),
              ElementsAre(500, 501.5, 503, 504.5));
}

TEST(ParameterStreamTest, AddsScaledProducts) {
  // a is [[0, 1], [2, 3], [4, 5]], and b the same from 1000 on.
  EXPECT_THAT(floatsOf(streamed(R"(
nn.param @a : tensor<3x2xf32>
nn.param @b : tensor<3x3xf32>
nn.param @p : tensor<3x3xf32> = {
  %0 = nn.load @a : tensor<3x2xf32>
  %1 = nn.scale %0 by 0.5 : tensor<3x2xf32>
  %2 = nn.linear %1, %0 : tensor<3x2xf32>, tensor<3x2xf32> -> tensor<3x3xf32>
  %3 = nn.load @b : tensor<3x3xf32>
  %4 = arith.addf %3, %2 : tensor<3x3xf32>
  nn.yield %4 : tensor<3x3xf32>
})")),
              ElementsAre(1000.5, 1002.5, 1004.5, 1004.5, 1010.5, 1016.5, 1008.5, 1018.5, 1028.5));
}

TEST(ParameterStreamTest, AlignsHeads) {
  // Two heads of 6 of which 4 rotate in pairs beside each other, then one of 5 that does not rotate.
  const float pad = 0;
  EXPECT_THAT(floatsOf(streamed(R"(
nn.param @a : tensor<12x1xf32>
nn.param @b : tensor<5x1xf32>
nn.param @p : tensor<32x1xf32> = {
  %0 = nn.load @a : tensor<12x1xf32>
  %1 = nn.load @b : tensor<5x1xf32>
  %2 = nn.concat %0, %1 : tensor<12x1xf32>, tensor<5x1xf32> -> tensor<17x1xf32>
  %3 = nn.align_heads %2 lanes 4 segments [2, 6, 4, 1, 1, 5, 0, 0] : tensor<17x1xf32> -> tensor<32x1xf32>
  nn.yield %3 : tensor<32x1xf32>
})")),
              ElementsAreArray(std::vector<float>{0,   2,   pad,  pad,  1,    3,    pad,  pad, 4,   5,  pad,
                                                  pad, 6,   8,    pad,  pad,  7,    9,    pad, pad, 10, 11,
                                                  pad, pad, 1000, 1001, 1002, 1003, 1004, pad, pad, pad}));
  // Halves: pair i is (i, i + 2).
  EXPECT_THAT(floatsOf(streamed(R"(
nn.param @a : tensor<5xf32>
nn.param @p : tensor<12xf32> = {
  %0 = nn.load @a : tensor<5xf32>
  %1 = nn.align_heads %0 lanes 4 segments [1, 5, 4, 0] : tensor<5xf32> -> tensor<12xf32>
  nn.yield %1 : tensor<12xf32>
})")),
              ElementsAre(0, 1, pad, pad, 2, 3, pad, pad, 4, pad, pad, pad));
}

TEST(ParameterStreamTest, PacksPanels) {
  // 6 outputs of 2 inputs: two panels of 4 lanes, the last two lanes empty.
  EXPECT_THAT(floatsOf(streamed(R"(
nn.param @a : tensor<6x2xf32>
nn.param @p : tensor<2x2x16xi8> = {
  %0 = nn.load @a : tensor<6x2xf32>
  %1 = nn.pack %0 lanes 4 : tensor<6x2xf32> -> tensor<2x2x16xi8>
  nn.yield %1 : tensor<2x2x16xi8>
})")),
              ElementsAre(0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 0, 0, 9, 11, 0, 0));
}

TEST(ParameterStreamTest, NamesWhatIsWrong) {
  EXPECT_EQ(streamed("nn.param @p : tensor<2x3xf32> from \"missing\"").status().message(),
            "model: tensor 'missing' is missing");
  EXPECT_THAT(std::string(streamed(R"(
nn.param @huge : tensor<2x2xf32>
nn.param @p : tensor<2x2xf16> = {
  %0 = nn.load @huge : tensor<2x2xf32>
  %1 = nn.convert %0 : tensor<2x2xf32> -> tensor<2x2xf16>
  nn.yield %1 : tensor<2x2xf16>
})")
                              .status()
                              .message()),
              testing::AllOf(testing::StartsWith("parameter 'p': element 0 of row 0 is 1e+30"),
                             testing::HasSubstr("F16 can not hold")));
}

TEST(ParameterStreamTest, StopsWhereTheSinkFails) {
  mlir::OwningOpRef<mlir::ModuleOp> module =
      mlir::parseSourceString<mlir::ModuleOp>("nn.param @p : tensor<9x3xf32> from \"a\"", &contextOfTests());
  CountingParameters source;
  codegen::ParameterStream stream(*module, source);
  int calls = 0;
  absl::Status status =
      stream.stream(mlir::cast<nn::ParamOp>(module->lookupSymbol("p")), [&](absl::Span<const uint8_t>) {
        return ++calls == 2 ? absl::DataLossError("out.llmc: disk is full") : absl::OkStatus();
      });
  EXPECT_EQ(status, absl::DataLossError("out.llmc: disk is full"));
  EXPECT_EQ(calls, 2);
}

} // namespace
