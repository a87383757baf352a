//===- DefinitionText.cpp - definitions as people read and write them --------------------------------===//

#include "frontend/spec/Definition.h"

#include "absl/strings/str_cat.h"
#include "runtime/io/MappedFile.h"

#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/util/message_differencer.h>

namespace llmc::spec {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::TextFormat;

namespace {

/// Keeps the first error of the parser, with its place.
class FirstError : public google::protobuf::io::ErrorCollector {
public:
  explicit FirstError(absl::string_view name) : name(name) {}
  void AddError(int line, google::protobuf::io::ColumnNumber column, const std::string &message) override {
    if (text.empty())
      text = line < 0 ? absl::StrCat(name, ": ", message)
                      : absl::StrCat(name, ":", line + 1, ":", column + 1, ": ", message);
  }
  std::string text;

private:
  const std::string name;
};

/// Whether a number that follows from others needs not be read to know what the model is.
bool mayBeLeftOut(const FieldDescriptor &field) {
  return !field.is_repeated() && (field.cpp_type() == FieldDescriptor::CPPTYPE_UINT32 ||
                                  field.cpp_type() == FieldDescriptor::CPPTYPE_DOUBLE ||
                                  field.cpp_type() == FieldDescriptor::CPPTYPE_BOOL);
}

/// Clears the numbers of `part`, a part of `whole`, without which complete() gives the same model.
void shorten(Message &part, ModelDefinition &whole, const ModelDefinition &complete) {
  const google::protobuf::Reflection &fields = *part.GetReflection();
  std::vector<const FieldDescriptor *> present;
  fields.ListFields(part, &present);
  for (const FieldDescriptor *field : present) {
    const bool isPart = !field->is_repeated() && field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
    if (isPart)
      shorten(*fields.MutableMessage(&part, field), whole, complete);
    if (isPart ? fields.GetMessage(part, field).ByteSizeLong() > 0 : !mayBeLeftOut(*field))
      continue;
    const std::unique_ptr<Message> before(part.New());
    before->CopyFrom(part);
    fields.ClearField(&part, field);
    const absl::StatusOr<ModelDefinition> same = spec::complete(whole, /*vocabulary=*/0);
    if (!same.ok() || !google::protobuf::util::MessageDifferencer::Equals(*same, complete))
      part.CopyFrom(*before);
  }
}

} // namespace

absl::Status parseText(absl::string_view name, absl::string_view text, Message &message) {
  FirstError error(name);
  TextFormat::Parser parser;
  parser.RecordErrorsTo(&error);
  if (parser.MergeFromString(std::string(text), &message))
    return absl::OkStatus();
  return absl::InvalidArgumentError(error.text);
}

absl::StatusOr<ModelDefinition> readDefinition(const std::string &path) {
  absl::StatusOr<io::MappedFile> file = io::MappedFile::open(path);
  if (!file.ok())
    return file.status();
  const absl::Span<const uint8_t> bytes = file->bytes();
  return parseDefinition(path, {reinterpret_cast<const char *>(bytes.data()), bytes.size()});
}

absl::StatusOr<ModelDefinition> parseDefinition(absl::string_view source, absl::string_view text) {
  ModelDefinition definition;
  if (absl::Status status = parseText(source, text, definition); !status.ok())
    return status;
  absl::StatusOr<ModelDefinition> complete = spec::complete(std::move(definition), /*vocabulary=*/0);
  if (!complete.ok())
    return absl::InvalidArgumentError(absl::StrCat(source, ": ", complete.status().message()));
  return complete;
}

std::string printDefinition(const ModelDefinition &complete) {
  ModelDefinition shorter = complete;
  shorten(shorter, shorter, complete);
  TextFormat::Printer printer;
  printer.SetUseShortRepeatedPrimitives(true);
  std::string text;
  printer.PrintToString(shorter, &text);
  return text;
}

} // namespace llmc::spec
