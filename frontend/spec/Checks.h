//===- Checks.h - what is wrong with a definition, by field ------------------------------------------===//
#ifndef LLMC_FRONTEND_SPEC_CHECKS_H
#define LLMC_FRONTEND_SPEC_CHECKS_H

#include "frontend/spec/Definition.h"
#include "frontend/spec/FamilyRules.h"

#include "absl/strings/str_cat.h"

namespace llmc::spec {

/// Bounds of factors.
inline constexpr double kMostFactor = 1e6, kLeastFactor = 1e-6;

/// What fills in a part of a definition derives from this: checks of fields, which keep the first thing that
/// is wrong.
class Checks {
protected:
  explicit Checks(const FamilyRules &rules)
      : rules(rules), family(ModelDefinition::Family_Name(rules.family)) {}

  /// Records `model.FIELD is FOUND, expected EXPECTED`.
  void fail(absl::string_view field, const std::string &found, absl::string_view expected) {
    error.Update(
        absl::InvalidArgumentError(absl::StrCat("model.", field, " is ", found, ", expected ", expected)));
  }
  std::string ofFamily(absl::string_view expected) const {
    return absl::StrCat(expected, " for family ", family);
  }
  void checkSize(absl::string_view field, uint32_t value) {
    if (value < 1 || value > kMostSize)
      fail(field, absl::StrCat(value), absl::StrCat("1 to ", kMostSize));
  }
  void checkNumber(absl::string_view field, double value, double least, double most) {
    if (!(value >= least && value <= most))
      fail(field, absl::StrCat(value), absl::StrCat("a number from ", least, " to ", most));
  }
  void checkFactor(absl::string_view field, double value) {
    checkNumber(field, value, kLeastFactor, kMostFactor);
  }
  /// Whether a part may be there, which is, or is not.
  void checkPart(absl::string_view field, bool isThere, Has has) {
    if (isThere && has == Has::Never)
      error.Update(absl::InvalidArgumentError(
          absl::StrCat("model.", field, " is there, expected none for family ", family)));
    if (!isThere && has == Has::Always)
      error.Update(absl::InvalidArgumentError(
          absl::StrCat("model.", field, " is missing, which family ", family, " has always")));
  }
  void checkFlag(absl::string_view field, bool value, Has has) {
    if (value && has == Has::Never)
      fail(field, "true", ofFamily("false"));
    if (!value && has == Has::Always)
      fail(field, "false", ofFamily("true"));
  }
  void checkSame(absl::string_view field, uint32_t value, absl::string_view other, uint32_t expected) {
    if (value != expected)
      fail(field, absl::StrCat(value), ofFamily(absl::StrCat(other, " (", expected, ")")));
  }
  static Has only(bool condition, Has has = Has::Maybe) { return condition ? has : Has::Never; }

  const FamilyRules &rules;
  const std::string family;
  absl::Status error;
};

/// Fills in the positions of a model whose attention is complete.
absl::Status completePositions(ModelDefinition &model, const FamilyRules &rules);

} // namespace llmc::spec

#endif // LLMC_FRONTEND_SPEC_CHECKS_H
