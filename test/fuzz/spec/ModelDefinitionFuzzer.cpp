//===- ModelDefinitionFuzzer.cpp - model definitions of strangers -------------------------------------===//
//
// The input is a definition in protobuf's text form. It is refused with one line, or makes a program that
// verifies, whose own definition is the same, and which is the same when it is printed and read again.
//
//===------------------------------------------------------------------------------------------------===//
#include "frontend/import/Import.h"
#include "mlir/IR/MLIRContext.h"

#include <cstdio>
#include <cstdlib>
#include <google/protobuf/util/message_differencer.h>

using namespace llmc;

namespace {

constexpr int64_t kMostLayers = 4, kMostExperts = 8, kMostSinusoids = 1 << 20;

[[noreturn]] void fail(const char *what, const std::string &detail) {
  std::fprintf(stderr, "%s: %s\n", what, detail.c_str());
  std::abort();
}

void checkRefusal(const absl::Status &status) {
  const std::string message(status.message());
  if (message.empty() || message.find('\n') != std::string::npos)
    fail("not one line", message);
}

/// Whether the program is small enough to build it: there may be millions of layers.
bool isSmall(const spec::ModelDefinition &model) {
  const bool hasSinusoids = model.positions().kind() == spec::Positions::SINUSOIDAL;
  return model.layers() <= kMostLayers && model.decoder().layers() <= kMostLayers &&
         model.mlp().experts().count() <= kMostExperts &&
         !(hasSinusoids && int64_t{model.context()} * model.width() > kMostSinusoids);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  using google::protobuf::util::MessageDifferencer;
  const absl::string_view text(reinterpret_cast<const char *>(data), size);
  const absl::StatusOr<spec::ModelDefinition> definition = spec::parseDefinition("text", text);
  if (!definition.ok()) {
    checkRefusal(definition.status());
    return 0;
  }
  const std::string printed = spec::printDefinition(*definition);
  const absl::StatusOr<spec::ModelDefinition> again = spec::parseDefinition("printed", printed);
  if (!again.ok() || !MessageDifferencer::Equals(*again, *definition))
    fail("printed otherwise", printed);
  if (!isSmall(*definition))
    return 0;
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  const absl::StatusOr<frontend::ImportedModel> model =
      frontend::importDefinition(*definition, "text", &context);
  if (!model.ok())
    fail("no program", std::string(model.status().message()));
  if (!model->definition.ok() || !MessageDifferencer::Equals(*model->definition, *definition))
    fail("defined otherwise", model->definition.ok() ? spec::printDefinition(*model->definition)
                                                     : std::string(model->definition.status().message()));
  return 0;
}
