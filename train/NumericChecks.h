//===- NumericChecks.h - which tensor of a step is first no number --------------------------------------------===//
#ifndef LLMC_TRAIN_NUMERICCHECKS_H
#define LLMC_TRAIN_NUMERICCHECKS_H

#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"

#include <cstddef>
#include <string>

namespace llmc::train {

/// Of operands of steps that are checks of tensors, of trainers made with --debug-numerics: sums over rows
/// that are NaN where a row has an element that is not finite.
inline constexpr absl::string_view kCheckPrefix = "check ";

/// The name of the check of the tensor that is computed as number `number`, by what `what` says of it. Names
/// sort as tensors are computed.
inline std::string checkName(size_t number, absl::string_view what) {
  return absl::StrFormat("%s%06d: %s", kCheckPrefix, number, what);
}

/// What a check's name says of its tensor.
inline absl::string_view checkedTensor(absl::string_view name) { return name.substr(name.find(": ") + 2); }

} // namespace llmc::train

#endif // LLMC_TRAIN_NUMERICCHECKS_H
