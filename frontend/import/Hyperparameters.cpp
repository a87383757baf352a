//===- Hyperparameters.cpp - what a checkpoint says of its model -------------------------------------===//

#include "frontend/import/Hyperparameters.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "runtime/io/Message.h"
#include <cmath>

using namespace llmc::frontend;

namespace {

constexpr int64_t kLargestSize = int64_t(1) << 24;

bool isThere(const Field &field) {
  return !std::holds_alternative<MissingField>(field) && !std::holds_alternative<NullField>(field);
}

std::string describe(const Field &field) {
  struct Describe {
    std::string operator()(const MissingField &) { return "missing"; }
    std::string operator()(const NullField &) { return "null"; }
    std::string operator()(bool value) { return value ? "true" : "false"; }
    std::string operator()(int64_t value) { return absl::StrCat(value); }
    std::string operator()(double value) { return absl::StrCat(value); }
    std::string operator()(const std::string &value) { return llmc::io::quote(value); }
    std::string operator()(const std::vector<int64_t> &value) {
      return absl::StrCat("a list of ", value.size(), " integers");
    }
    std::string operator()(const std::vector<double> &value) {
      return absl::StrCat("a list of ", value.size(), " numbers");
    }
    std::string operator()(const std::vector<std::string> &value) {
      return absl::StrCat("a list of ", value.size(), " strings");
    }
    std::string operator()(const std::vector<std::vector<int64_t>> &value) {
      return absl::StrCat("a list of ", value.size(), " lists");
    }
    std::string operator()(const ObjectField &) { return "an object"; }
    std::string operator()(const OtherField &value) { return value.description; }
  };
  return std::visit(Describe(), field);
}

/// Equality in which 1 and 1.0 are the same.
bool sameValue(const Field &a, const Field &b) {
  auto number = [](const Field &field) -> std::optional<double> {
    if (auto *integer = std::get_if<int64_t>(&field))
      return static_cast<double>(*integer);
    if (auto *real = std::get_if<double>(&field))
      return *real;
    return std::nullopt;
  };
  if (number(a) && number(b))
    return *number(a) == *number(b);
  if (a.index() != b.index())
    return false;
  if (auto *text = std::get_if<std::string>(&a))
    return *text == std::get<std::string>(b);
  if (auto *flag = std::get_if<bool>(&a))
    return *flag == std::get<bool>(b);
  return false;
}

} // namespace

Size llmc::frontend::operator*(const Size &a, const Size &b) {
  return {a.value * b.value, absl::StrCat(a.meaning, " * ", b.meaning)};
}
Size llmc::frontend::operator+(const Size &a, const Size &b) {
  return {a.value + b.value, absl::StrCat(a.meaning, " + ", b.meaning)};
}

std::string Hyperparameters::nameOf(Name name) const {
  std::string key = name.in(formatKind);
  // These are not the architecture's.
  for (const char *common : {"general.", "tokenizer.", "split."})
    if (formatKind == Format::Gguf && key.rfind(common, 0) == 0)
      return key;
  return prefix + key;
}

Hyperparameters Hyperparameters::inside(Name object) const {
  Hyperparameters fields(formatKind, filePath, nameOf(object) + ".", lookup);
  Field field = find(object);
  if (isThere(field) && !std::holds_alternative<ObjectField>(field))
    fields.fail(absl::InvalidArgumentError(
        absl::StrCat(filePath, ": ", nameOf(object), " is ", describe(field), ", expected an object")));
  return fields;
}

Field Hyperparameters::find(Name name) const {
  if (*name.in(formatKind) == 0)
    return MissingField();
  return lookup(nameOf(name));
}

void Hyperparameters::fail(const absl::Status &error) { firstError.Update(error); }

void Hyperparameters::fail(Name name, const std::string &message) {
  fail(absl::InvalidArgumentError(absl::StrCat(filePath, ": ", nameOf(name), " ", message)));
}

void Hyperparameters::mismatch(Name name, const Field &found, const std::string &expected) {
  fail(name, absl::StrCat("is ", describe(found), ", expected ", expected));
}

bool Hyperparameters::has(Name name) const { return isThere(find(name)); }
bool Hyperparameters::isNull(Name name) const { return std::holds_alternative<NullField>(find(name)); }

Size Hyperparameters::checkedSize(Name name, const Field &field) {
  auto *value = std::get_if<int64_t>(&field);
  if (!value || *value < 1 || *value > kLargestSize) {
    mismatch(name, field, absl::StrCat("an integer from 1 to ", kLargestSize));
    return {1, nameOf(name)};
  }
  return {*value, nameOf(name)};
}

Size Hyperparameters::size(Name name) { return checkedSize(name, find(name)); }

Size Hyperparameters::sizeOr(Name name, Size missing) {
  Field field = find(name);
  return isThere(field) ? checkedSize(name, field) : missing;
}

int64_t Hyperparameters::integerOr(Name name, int64_t missing, int64_t least, int64_t most) {
  Field field = find(name);
  if (!isThere(field))
    return missing;
  auto *value = std::get_if<int64_t>(&field);
  if (value && *value >= least && *value <= most)
    return *value;
  mismatch(name, field, absl::StrCat("an integer from ", least, " to ", most));
  return missing;
}

double Hyperparameters::checkedNumber(Name name, const Field &field) {
  if (auto *integer = std::get_if<int64_t>(&field))
    return static_cast<double>(*integer);
  if (auto *real = std::get_if<double>(&field))
    if (std::isfinite(*real))
      return *real;
  mismatch(name, field, "a finite number");
  return 1;
}

double Hyperparameters::number(Name name) { return checkedNumber(name, find(name)); }

double Hyperparameters::numberOr(Name name, double missing) {
  Field field = find(name);
  return isThere(field) ? checkedNumber(name, field) : missing;
}

double Hyperparameters::numberIn(Name name, double least, double most, std::optional<double> missing) {
  double value = missing ? numberOr(name, *missing) : number(name);
  if (value >= least && value <= most)
    return value;
  fail(name, absl::StrCat("is ", value, ", expected a number from ", least, " to ", most));
  return least;
}

double Hyperparameters::epsilon(Name name, std::optional<double> missing) {
  return numberIn(name, 0, 1, missing);
}

bool Hyperparameters::flagOr(Name name, bool missing) {
  Field field = find(name);
  if (!isThere(field))
    return missing;
  if (auto *value = std::get_if<bool>(&field))
    return *value;
  mismatch(name, field, "true or false");
  return missing;
}

std::string Hyperparameters::textOr(Name name, std::string missing) {
  Field field = find(name);
  if (!isThere(field))
    return missing;
  if (auto *value = std::get_if<std::string>(&field))
    return *value;
  mismatch(name, field, "a string");
  return missing;
}

std::vector<int64_t> Hyperparameters::integersOr(Name name, std::vector<int64_t> missing) {
  Field field = find(name);
  if (!isThere(field))
    return missing;
  if (auto *value = std::get_if<int64_t>(&field))
    return {*value};
  if (auto *values = std::get_if<std::vector<int64_t>>(&field))
    return *values;
  mismatch(name, field, "an integer or a list of integers");
  return missing;
}

std::vector<std::vector<int64_t>> Hyperparameters::integerLists(Name name) {
  Field field = find(name);
  if (auto *lists = std::get_if<std::vector<std::vector<int64_t>>>(&field))
    return *lists;
  auto *empty = std::get_if<std::vector<int64_t>>(&field);
  if (isThere(field) && !(empty && empty->empty()))
    mismatch(name, field, "a list of lists of integers");
  return {};
}

std::vector<double> Hyperparameters::numbers(Name name) {
  Field field = find(name);
  if (auto *integers = std::get_if<std::vector<int64_t>>(&field))
    return std::vector<double>(integers->begin(), integers->end());
  if (auto *values = std::get_if<std::vector<double>>(&field))
    if (std::all_of(values->begin(), values->end(), [](double value) { return std::isfinite(value); }))
      return *values;
  mismatch(name, field, "a list of finite numbers");
  return {};
}

std::vector<std::string> Hyperparameters::textsOr(Name name, std::vector<std::string> missing) {
  Field field = find(name);
  if (!isThere(field))
    return missing;
  if (auto *values = std::get_if<std::vector<std::string>>(&field))
    return *values;
  mismatch(name, field, "a list of strings");
  return missing;
}

void Hyperparameters::expect(Name name, std::initializer_list<Field> supported) {
  Field field = find(name);
  if (!isThere(field))
    return;
  std::vector<std::string> names;
  for (const Field &value : supported) {
    if (sameValue(field, value))
      return;
    names.push_back(describe(value));
  }
  fail(name, absl::StrCat("is ", describe(field),
                          ", which is not supported (supported: ", absl::StrJoin(names, ", "), ")"));
}

void Hyperparameters::refuse(Name name, const std::string &reason) {
  Field field = find(name);
  if (!isThere(field) || sameValue(field, Field(false)))
    return;
  fail(name, absl::StrCat("is ", describe(field), ", which is not supported: ", reason));
}
