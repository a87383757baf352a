#include "train/StepInputs.h"

#include <algorithm>
#include <numeric>

namespace llmc::train {

namespace {

/// The operands of one step.
struct Operands {
  Program &program;
  const std::string &step;

  bool has(const char *name) const { return program.hasOperand(step, name); }
  template <typename T> T *at(const char *name) const { return program.operand<T>(step, name); }
  template <typename T> void copy(const char *name, const std::vector<T> &from) const {
    std::copy(from.begin(), from.end(), at<T>(name));
  }
};

void setPositions(const Operands &operands, const char *name, const std::vector<int32_t> &positions,
                  int32_t first) {
  std::transform(positions.begin(), positions.end(), operands.at<int32_t>(name),
                 [=](int32_t position) { return first + position; });
}

/// Of sequences with a text each, in groups: which rows and texts belong to what.
void setGroups(const Operands &operands, const Batch &batch, int64_t sequences, int64_t length) {
  const auto groups = static_cast<int64_t>(batch.choices.size()), size = sequences / groups;
  if (operands.has("sequences")) // of each row
    for (int64_t row = 0; row < sequences * length; ++row)
      operands.at<int32_t>("sequences")[row] = static_cast<int32_t>(row / length);
  if (operands.has("texts")) // the same, and one more for padding, whose rows are segments of their own
    for (int64_t row = 0; row < sequences * length; ++row) {
      const int64_t sequence = row / length;
      const bool isText = batch.segments[row] == batch.segments[sequence * length];
      operands.at<int32_t>("texts")[row] = static_cast<int32_t>(isText ? sequence : sequences);
    }
  if (operands.has("first_rows"))
    for (int64_t sequence = 0; sequence < sequences; ++sequence)
      operands.at<int32_t>("first_rows")[sequence] = static_cast<int32_t>(sequence * length);
  if (operands.has("anchors")) // the first of each group; then all second ones, and so on
    for (int64_t group = 0; group < groups; ++group) {
      operands.at<int32_t>("anchors")[group] = static_cast<int32_t>(group * size);
      for (int64_t member = 1; member < size; ++member)
        operands.at<int32_t>("candidates")[(member - 1) * groups + group] =
            static_cast<int32_t>(group * size + member);
    }
  operands.copy("choices", batch.choices);
}

/// Of sources beside sequences.
void setSources(const Operands &operands, const Batch &batch, int32_t firstPosition) {
  operands.copy("source_tokens", batch.sourceTokens);
  operands.copy("source_segments", batch.sourceSegments);
  if (operands.has("source_positions"))
    setPositions(operands, "source_positions", batch.sourcePositions, firstPosition);
}

} // namespace

void setInputs(Program &program, const std::string &step, const Batch &batch) {
  const Operands operands{program, step};
  operands.copy("tokens", batch.tokens);
  const auto first = static_cast<int32_t>(program.training().first_position());
  setPositions(operands, "positions", batch.positions, first);
  if (operands.has("source_tokens"))
    setSources(operands, batch, first);
  operands.copy("segments", batch.segments);
  if (operands.has("token_types")) // all are of the first text
    std::fill_n(operands.at<int32_t>("token_types"), batch.tokens.size(), 0);
  if (operands.has("weights"))
    std::transform(batch.targets.begin(), batch.targets.end(), operands.at<float>("weights"),
                   [](int32_t target) { return target < 0 ? 0.0F : 1.0F; });
  if (operands.has("numbers"))
    operands.copy("numbers", batch.numbers);
  if (operands.has("targets"))
    operands.copy("targets", batch.targets);
  if (operands.has("choices"))
    setGroups(operands, batch, program.training().sequences(), program.training().length());
}

void setDraw(Program &program, uint64_t seed, uint64_t number, int64_t index) {
  const Operands operands{program, "loss"};
  if (!operands.has("draw"))
    return;
  for (const char *name : {"rows", "source_rows"}) {
    if (!operands.has(name))
      continue;
    const int64_t rows = program.elements("loss", name);
    auto *numbers = operands.at<int32_t>(name);
    std::iota(numbers, numbers + rows, static_cast<int32_t>(index * rows));
  }
  auto *draw = operands.at<int32_t>("draw");
  draw[0] = static_cast<int32_t>(seed);
  draw[1] = static_cast<int32_t>(seed >> 32);
  draw[2] = static_cast<int32_t>(number);
}

} // namespace llmc::train
