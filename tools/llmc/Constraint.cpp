#include "tools/llmc/Constraint.h"

#include "frontend/json/Parse.h"
#include "runtime/grammar/GrammarConstraint.h"
#include "runtime/grammar/GrammarReader.h"
#include "runtime/grammar/JsonSchema.h"
#include "runtime/io/MappedFile.h"
#include "runtime/io/Message.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace llmc::tool {

static absl::StatusOr<std::string> readText(const std::string &path) {
  absl::StatusOr<io::MappedFile> file = io::MappedFile::open(path);
  if (!file.ok())
    return file.status();
  return std::string(reinterpret_cast<const char *>(file->bytes().data()), file->bytes().size());
}

/// The grammar in GBNF of a schema, which `name` is the name of. Parsed here to say where JSON is broken.
static absl::StatusOr<std::string> grammarOfJsonSchema(absl::string_view name, const std::string &schema) {
  if (absl::StatusOr<nlohmann::json> checked = json::parse(schema); !checked.ok())
    return io::withContext(name, checked.status());
  absl::StatusOr<std::string> grammar = grammar::grammarOfSchema(schema);
  return grammar.ok() ? grammar : io::withContext(name, grammar.status());
}

absl::StatusOr<std::vector<std::shared_ptr<runtime::TokenConstraint>>>
constraintsOf(const RunOptions &options, const text::Tokenizer &tokenizer, int64_t count) {
  std::vector<std::shared_ptr<runtime::TokenConstraint>> constraints(count);
  if (!options.grammarFile && !options.jsonSchema)
    return constraints;
  std::string name = options.grammarFile ? *options.grammarFile : *options.jsonSchema;
  const bool isInline = options.jsonSchema && absl::StartsWith(absl::StripLeadingAsciiWhitespace(name), "{");
  absl::StatusOr<std::string> text = isInline ? name : readText(name);
  if (isInline)
    name = "--json-schema";
  if (text.ok() && options.jsonSchema)
    text = grammarOfJsonSchema(name, *text);
  if (!text.ok())
    return text.status();
  absl::StatusOr<grammar::Grammar> grammar = grammar::readGrammar(name, *text);
  if (!grammar.ok())
    return grammar.status();
  for (std::shared_ptr<runtime::TokenConstraint> &constraint : constraints) {
    auto made = grammar::GrammarConstraint::create(*grammar, tokenizer);
    if (!made.ok())
      return made.status();
    constraint = *std::move(made);
  }
  return constraints;
}

} // namespace llmc::tool
