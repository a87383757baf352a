#include "train/ObjectiveData.h"

#include "train/Recipe.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include <algorithm>

namespace llmc::train {

Predicted predictedBy(const Objective &objective) {
  switch (objective.kind_case()) {
  case Objective::KIND_NOT_SET:
    return Predicted::NextToken;
  case Objective::kMaskedTokens:
    return Predicted::MaskedTokens;
  case Objective::kSequenceClassification:
    return Predicted::DocumentLabel;
  case Objective::kTokenClassification:
    return Predicted::TokenLabels;
  case Objective::kRegression:
    return Predicted::Number;
  case Objective::kContrastive:
    return Predicted::Partner;
  case Objective::kPreference:
    return Predicted::Preference;
  case Objective::kSequenceToSequence:
    return Predicted::Target;
  }
  return Predicted::NextToken;
}

namespace {

/// What a token file must have for an objective, and how `llmc data pack` is told.
struct NeededLabels {
  LabelKind kind;
  const char *what;
};

NeededLabels labelsFor(Predicted predicted) {
  switch (predicted) {
  case Predicted::DocumentLabel:
    return {LabelKind::Documents, "a label for each document (llmc data pack --label)"};
  case Predicted::TokenLabels:
    return {LabelKind::Tokens, "labels of words (llmc data pack --word-labels)"};
  case Predicted::Number:
    return {LabelKind::Numbers, "a number for each document (llmc data pack --number)"};
  case Predicted::Partner:
    return {LabelKind::None, "texts that belong together (llmc data pack --texts)"};
  case Predicted::Target:
    return {LabelKind::None, "sources with their targets (llmc data pack --texts)"};
  case Predicted::Preference:
    return {LabelKind::Tokens, "pairs of texts for prompts (llmc data pack --preference)"};
  default:
    return {LabelKind::None, "no labels"};
  }
}

const google::protobuf::RepeatedPtrField<std::string> &labelNames(const Objective &objective) {
  return objective.has_sequence_classification() ? objective.sequence_classification().names()
                                                 : objective.token_classification().names();
}

} // namespace

absl::Status checkLabelKind(const TokenFile &file, const Objective &objective) {
  const NeededLabels needed = labelsFor(predictedBy(objective));
  const int64_t groupSize = groupSizeOf(objective);
  if (groupSize > 1 && file.groupSize() != groupSize)
    return absl::InvalidArgumentError(absl::StrCat(file.path(), ": has documents in groups of ",
                                                   file.groupSize(), ", expected ", groupSize, ": ",
                                                   needed.what));
  if (needed.kind == LabelKind::None || file.labelKind() == needed.kind)
    return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(file.path(), ": was packed for another objective, expected ", needed.what));
}

absl::Status checkGroupCount(const TokenFile &file, const Objective &objective, int64_t sequences) {
  const int64_t size = groupSizeOf(objective), found = file.documents() / size, wanted = sequences / size;
  if (!hasGroupsInBatch(objective) || found >= wanted)
    return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(file.path(), ": has ", found,
                                                 " groups of texts, expected at least the ", wanted,
                                                 " of a batch (batch.sequences is ", sequences, ")"));
}

absl::Status checkLabelNames(const TokenFile &file, const Objective &objective) {
  if (!objective.has_sequence_classification() && !objective.has_token_classification())
    return absl::OkStatus();
  const auto &names = labelNames(objective);
  for (const std::string &name : file.labelNames())
    if (std::find(names.begin(), names.end(), name) == names.end())
      return absl::InvalidArgumentError(
          absl::StrCat(file.path(), ": has the label '", name,
                       "', expected those of the trainer: ", absl::StrJoin(names, ", ")));
  return absl::OkStatus();
}

std::vector<int32_t> labelNumbers(const TokenFile &file, const Objective &objective) {
  const auto &names = labelNames(objective);
  std::vector<int32_t> numbers;
  for (const std::string &name : file.labelNames())
    numbers.push_back(static_cast<int32_t>(std::find(names.begin(), names.end(), name) - names.begin()));
  return numbers;
}

} // namespace llmc::train
