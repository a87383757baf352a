//===- ParameterStream.cpp - contents of parameters, row by row --------------------------------------===//

#include "codegen/common/ParameterStream.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "codegen/common/FragmentLayout.h"
#include "codegen/common/PanelLayout.h"
#include "mlir/IR/Matchers.h"
#include <cmath>
#include <cstring>

using namespace mlir;

namespace llmc::codegen {

namespace {

RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

/// Elements of a row; a vector has rows of one.
int64_t rowElements(RankedTensorType type) { return type.getRank() == 1 ? 1 : type.getDimSize(1); }

bool isAligned(RankedTensorType type) {
  auto block = dyn_cast<nn::BlockType>(type.getElementType());
  return block && block.getAligned();
}

int64_t rowBytes(RankedTensorType type) {
  if (type.getElementType().isInteger())
    return rowElements(type) * type.getElementTypeBitWidth() / 8;
  const blocks::StorageFormat format = storageFormatOf(type.getElementType());
  return isAligned(type) ? blocks::alignedBytesOf(format, rowElements(type))
                         : blocks::bytesOf(format, rowElements(type));
}

} // namespace

absl::Status ParameterStream::readParamRow(StringRef symbol, int64_t row, uint8_t *target) {
  auto param = symbols.lookup<nn::ParamOp>(symbol);
  if (!param)
    return absl::InternalError(absl::StrCat("no parameter is called ", symbol.str()));
  if (param.isDerived())
    return readRow(param.getInitialValue(), row, target);
  auto type = cast<RankedTensorType>(param.getType());
  auto [it, isNew] = contents.try_emplace(symbol);
  if (isNew) {
    llvm::Expected<ArrayRef<uint8_t>> bytes = source.getContents(param.getTensorName(), type);
    if (!bytes) {
      contents.erase(symbol);
      return absl::InvalidArgumentError(llvm::toString(bytes.takeError()));
    }
    it->second = *bytes;
  }
  const int64_t size = rowBytes(type);
  std::memcpy(target, it->second.data() + row * size, size);
  return absl::OkStatus();
}

/// The elements of a row of f32, of an operation of arith or of any other.
absl::Status ParameterStream::readNumbers(Value value, int64_t row, std::vector<float> &numbers) {
  numbers.resize(rowElements(typeOf(value)));
  if (auto constant = value.getDefiningOp<arith::ConstantOp>()) {
    auto elements = dyn_cast<DenseElementsAttr>(constant.getValue());
    if (!elements || !elements.isSplat())
      return absl::UnimplementedError("a parameter is computed with a constant that is not one number");
    std::fill(numbers.begin(), numbers.end(), elements.getSplatValue<float>());
    return absl::OkStatus();
  }
  return readRow(value, row, reinterpret_cast<uint8_t *>(numbers.data()));
}

absl::Status ParameterStream::readScaledRow(nn::ScaleOp op, int64_t row, float *target) {
  std::vector<float> numbers;
  if (absl::Status status = readNumbers(op.getInput(), row, numbers); !status.ok())
    return status;
  const auto factor = static_cast<float>(op.getFactor().convertToDouble());
  for (float number : numbers)
    *target++ = factor * number;
  return absl::OkStatus();
}

/// Products are added up input by input, whole rows at a time.
absl::Status ParameterStream::readProductRow(nn::LinearOp op, int64_t row, float *target) {
  const int64_t outputs = typeOf(op.getWeight()).getDimSize(0), inputs = typeOf(op.getWeight()).getDimSize(1);
  std::vector<float> numbers;
  std::vector<float> &transposed = productWeights[op];
  if (transposed.empty()) {
    transposed.resize(inputs * outputs);
    for (int64_t output = 0; output < outputs; ++output) {
      if (absl::Status status = readNumbers(op.getWeight(), output, numbers); !status.ok())
        return status;
      for (int64_t input = 0; input < inputs; ++input)
        transposed[input * outputs + output] = numbers[input];
    }
  }
  if (absl::Status status = readNumbers(op.getInput(), row, numbers); !status.ok())
    return status;
  std::fill_n(target, outputs, 0.0f);
  for (int64_t input = 0; input < inputs; ++input) {
    const float *weights = transposed.data() + input * outputs;
    for (int64_t output = 0; output < outputs; ++output)
      target[output] += numbers[input] * weights[output];
  }
  return absl::OkStatus();
}

/// Rows are heads and queries at once.
absl::Status ParameterStream::readBiasRow(nn::RelativePositionBiasOp op, int64_t row, float *target) {
  DenseIntElementsAttr queries, keys;
  RankedTensorType table = typeOf(op.getTable());
  if (!matchPattern(op.getQueryPositions(), m_Constant(&queries)) ||
      !matchPattern(op.getKeyPositions(), m_Constant(&keys)) ||
      !typeOf(op.getResult()).getElementType().isF32())
    return absl::UnimplementedError("a parameter is computed with nn.relative_position_bias, expected one in "
                                    "f32 of constant positions");
  const int64_t head = row / queries.getNumElements(), elements = table.getDimSize(1);
  const auto query = queries.getValues<APInt>()[row % queries.getNumElements()].getSExtValue();
  std::vector<uint8_t> stored(rowBytes(table));
  std::vector<float> values(elements);
  for (const APInt &key : keys.getValues<APInt>()) {
    const int64_t bucket = op.getBucket(query - key.getSExtValue());
    if (absl::Status status = readRow(op.getTable(), bucket, stored.data()); !status.ok())
      return status;
    blocks::dequantize(storageFormatOf(table.getElementType()), stored.data(), elements, values.data());
    *target++ = values[head];
  }
  return absl::OkStatus();
}

absl::Status ParameterStream::readRow(Value value, int64_t row, uint8_t *target) {
  Operation *op = value.getDefiningOp();
  if (auto load = dyn_cast<nn::LoadOp>(op))
    return readParamRow(load.getParam(), row, target);
  if (auto concat = dyn_cast<nn::ConcatOp>(op)) {
    for (Value input : concat.getInputs()) {
      int64_t rows = typeOf(input).getDimSize(0);
      if (row < rows)
        return readRow(input, row, target);
      row -= rows;
    }
    return absl::InternalError("a row of nn.concat lies behind its inputs");
  }
  if (auto align = dyn_cast<nn::AlignHeadsOp>(op)) {
    SmallVector<int64_t> &order = rowOrders[op];
    if (order.empty())
      order = align.getRowOrder();
    if (order[row] >= 0)
      return readRow(align.getInput(), order[row], target);
    std::memset(target, 0, rowBytes(typeOf(value)));
    return absl::OkStatus();
  }
  if (auto convert = dyn_cast<nn::ConvertOp>(op)) {
    RankedTensorType from = typeOf(convert.getInput()), to = typeOf(value);
    const int64_t elements = rowElements(from);
    std::vector<uint8_t> stored(rowBytes(from));
    if (absl::Status status = readRow(convert.getInput(), row, stored.data()); !status.ok())
      return status;
    if (isAligned(to)) {
      blocks::alignRow(storageFormatOf(to.getElementType()), stored.data(), elements, target);
      return absl::OkStatus();
    }
    std::vector<float> values(elements);
    blocks::dequantize(storageFormatOf(from.getElementType()), stored.data(), elements, values.data());
    blocks::StorageFormat format = storageFormatOf(to.getElementType());
    if (auto bad = blocks::quantize(format, values.data(), elements, target))
      return absl::InvalidArgumentError(
          absl::StrCat("element ", *bad, " of row ", row, " is ", values[*bad],
                       std::isfinite(values[*bad])
                           ? absl::StrCat(", which ", std::string(blocks::nameOf(format)), " can not hold")
                           : ", expected a finite number"));
    return absl::OkStatus();
  }
  if (isa<arith::AddFOp, arith::MulFOp>(op) && typeOf(value).getElementType().isF32()) {
    std::vector<float> left, right;
    if (absl::Status status = readNumbers(op->getOperand(0), row, left); !status.ok())
      return status;
    if (absl::Status status = readNumbers(op->getOperand(1), row, right); !status.ok())
      return status;
    auto *numbers = reinterpret_cast<float *>(target);
    for (size_t i = 0; i < left.size(); ++i)
      numbers[i] = isa<arith::AddFOp>(op) ? left[i] + right[i] : left[i] * right[i];
    return absl::OkStatus();
  }
  if (auto bias = dyn_cast<nn::RelativePositionBiasOp>(op))
    return readBiasRow(bias, row, reinterpret_cast<float *>(target));
  auto areWide = [&] {
    return typeOf(value).getElementType().isF32() && llvm::all_of(op->getOperandTypes(), [](Type type) {
             return cast<RankedTensorType>(type).getElementType().isF32();
           });
  };
  if (auto scale = dyn_cast<nn::ScaleOp>(op); scale && areWide())
    return readScaledRow(scale, row, reinterpret_cast<float *>(target));
  if (auto linear = dyn_cast<nn::LinearOp>(op); linear && !linear.getBias() && areWide())
    return readProductRow(linear, row, reinterpret_cast<float *>(target));
  return absl::UnimplementedError(
      absl::StrCat("a parameter is computed with ", op->getName().getStringRef().str(),
                   ", expected nn.load, nn.concat, nn.convert, nn.align_heads, nn.pack, "
                   "nn.relative_position_bias, or nn.scale, nn.linear, arith.addf or arith.mulf of f32"));
}

absl::Status ParameterStream::streamPacked(nn::PackOp op,
                                           absl::FunctionRef<absl::Status(absl::Span<const uint8_t>)> sink) {
  RankedTensorType type = typeOf(op.getInput());
  const int64_t lanes = op.getLanes(), outputs = type.getDimSize(0), inputs = type.getDimSize(1),
                size = rowBytes(type);
  std::vector<uint8_t> rows(lanes * size),
      panel(typeOf(op.getResult()).getNumElements() * lanes / llvm::alignTo(outputs, lanes));
  for (int64_t first = 0; first < outputs; first += lanes) {
    SmallVector<const uint8_t *> pointers(lanes, nullptr);
    for (int64_t lane = 0; lane < std::min(lanes, outputs - first); ++lane) {
      uint8_t *row = rows.data() + lane * size;
      if (absl::Status status = readRow(op.getInput(), first + lane, row); !status.ok())
        return status;
      pointers[lane] = row;
    }
    if (op.getFragments())
      FragmentLayout::get(type.getElementType()).packTile(pointers, inputs, panel.data());
    else
      PanelLayout::get(type.getElementType(), lanes).packPanel(pointers, inputs, panel.data());
    if (absl::Status status = sink(panel); !status.ok())
      return status;
  }
  return absl::OkStatus();
}

absl::Status ParameterStream::stream(nn::ParamOp param,
                                     absl::FunctionRef<absl::Status(absl::Span<const uint8_t>)> sink) {
  auto named = [&](absl::Status status) {
    if (status.ok() || absl::StrContains(status.message(), ": "))
      return status;
    return absl::Status(status.code(), absl::StrCat("parameter '", param.getSymName().str(),
                                                    "': ", std::string(status.message())));
  };
  productWeights.clear();
  if (param.isDerived())
    if (auto pack = param.getInitialValue().getDefiningOp<nn::PackOp>())
      return named(streamPacked(pack, sink));
  auto type = cast<RankedTensorType>(param.getType());
  std::vector<uint8_t> row(rowBytes(type));
  for (int64_t i = 0; i < type.getDimSize(0); ++i) {
    if (absl::Status status = readParamRow(param.getSymName(), i, row.data()); !status.ok())
      return named(status);
    if (absl::Status status = sink(row); !status.ok())
      return status;
  }
  return absl::OkStatus();
}

} // namespace llmc::codegen
