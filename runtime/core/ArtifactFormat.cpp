#include "runtime/core/ArtifactFormat.h"

#include "runtime/core/StepAbi.h"

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>
#include <google/protobuf/stubs/logging.h>
#include <xxhash.h>

namespace llmc::runtime {

static_assert(std::endian::native == std::endian::little, "the footer is read as it lies in the file");

uint64_t checksumOf(absl::Span<const uint8_t> bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

/// A name from the file in quotes, on one line whatever it holds.
static std::string quoted(absl::string_view name) {
  return absl::StrCat("'", absl::Utf8SafeCEscape(name), "'");
}

static uint64_t checksumOf(const Footer &footer) { return XXH3_64bits(&footer, offsetof(Footer, checksum)); }

Footer makeFooter(uint64_t manifestOffset, absl::Span<const uint8_t> manifest) {
  Footer footer = {};
  std::memcpy(footer.magic, kFooterMagic, sizeof(footer.magic));
  footer.manifestOffset = manifestOffset;
  footer.manifestSize = manifest.size();
  footer.manifestChecksum = checksumOf(manifest);
  footer.fileSize = manifestOffset + manifest.size() + sizeof(Footer);
  footer.checksum = checksumOf(footer);
  return footer;
}

static absl::Status checkFooter(const Footer &footer, uint64_t fileSize) {
  const size_t familyLength = sizeof(footer.magic) - 1; // the magic without its version digit
  if (std::memcmp(footer.magic, kFooterMagic, familyLength) != 0)
    return absl::InvalidArgumentError(absl::StrCat(
        "is not an artifact, or was cut short: its last 64 bytes do not begin with ", kFooterMagic));
  if (footer.magic[familyLength] != kFooterMagic[familyLength])
    return absl::FailedPreconditionError(
        absl::StrCat("has artifact format ", quoted(absl::string_view(&footer.magic[familyLength], 1)),
                     ", but this runtime reads format '", &kFooterMagic[familyLength], "'"));
  if (checksumOf(footer) != footer.checksum)
    return absl::DataLossError("footer is damaged: its checksum does not match");
  if (footer.fileSize != fileSize)
    return absl::DataLossError(
        absl::StrCat("footer says ", footer.fileSize, " bytes but the file has ", fileSize));
  if (footer.manifestSize > fileSize - sizeof(Footer) ||
      footer.manifestOffset != fileSize - sizeof(Footer) - footer.manifestSize)
    return absl::DataLossError(absl::StrCat("manifest of ", footer.manifestSize, " bytes at byte ",
                                            footer.manifestOffset, " does not end where the footer begins"));
  return absl::OkStatus();
}

static absl::StatusOr<Manifest> parseManifest(absl::Span<const uint8_t> file) {
  Footer footer;
  if (file.size() < sizeof(footer))
    return absl::InvalidArgumentError(
        absl::StrCat("is not an artifact: it has ", file.size(), " bytes, fewer than a footer"));
  std::memcpy(&footer, file.data() + file.size() - sizeof(footer), sizeof(footer));
  // Trainers are programs with an artifact behind them.
  if (footer.fileSize < file.size() && checkFooter(footer, footer.fileSize).ok()) {
    const absl::StatusOr<Manifest> inner = parseManifest(file.subspan(file.size() - footer.fileSize));
    if (inner.ok() && inner->kind() == TRAIN)
      return absl::InvalidArgumentError(
          "is a trainer: start it to train; llmc compile makes an artifact of a "
          "checkpoint that it saves");
  }
  if (absl::Status status = checkFooter(footer, file.size()); !status.ok())
    return status;
  absl::Span<const uint8_t> bytes = file.subspan(footer.manifestOffset, footer.manifestSize);
  if (checksumOf(bytes) != footer.manifestChecksum)
    return absl::DataLossError("manifest is damaged: its checksum does not match");
  Manifest manifest;
  google::protobuf::LogSilencer silencer; // it would tell the user about UTF-8 on lines of its own
  if (bytes.size() > INT32_MAX || !manifest.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return absl::DataLossError("manifest is not a valid protobuf message");
  if (absl::Status status = checkManifest(manifest, footer.manifestOffset); !status.ok())
    return absl::Status(status.code(), absl::StrCat("manifest: ", status.message()));
  return manifest;
}

absl::StatusOr<Manifest> readManifest(absl::string_view name, absl::Span<const uint8_t> file) {
  absl::StatusOr<Manifest> manifest = parseManifest(file);
  if (!manifest.ok())
    return absl::Status(manifest.status().code(), absl::StrCat(name, ": ", manifest.status().message()));
  return manifest;
}

static absl::Status checkCode(const Code &code, uint64_t sectionsEnd) {
  if (code.offset() != 0)
    return absl::InvalidArgumentError(absl::StrCat("code begins at byte ", code.offset(), ", expected 0"));
  if (code.size() == 0 || code.size() > sectionsEnd)
    return absl::InvalidArgumentError(
        absl::StrCat("code has ", code.size(), " bytes, expected 1 to ", sectionsEnd));
  return absl::OkStatus();
}

static absl::Status checkWeights(const Manifest &manifest, uint64_t sectionsEnd) {
  const Weights &weights = manifest.weights();
  if (weights.offset() % kWeightsAlignment != 0 || weights.offset() < manifest.code().size())
    return absl::InvalidArgumentError(absl::StrCat("weights begin at byte ", weights.offset(),
                                                   ", expected a multiple of ", kWeightsAlignment,
                                                   " behind the code of ", manifest.code().size(), " bytes"));
  if (!weights.absent() &&
      (weights.offset() > sectionsEnd || weights.size() > sectionsEnd - weights.offset()))
    return absl::InvalidArgumentError(absl::StrCat("weights of ", weights.size(), " bytes at byte ",
                                                   weights.offset(), " end behind byte ", sectionsEnd,
                                                   ", where the manifest begins"));
  if (weights.absent() && weights.size() > kMaxBytes)
    return absl::InvalidArgumentError(
        absl::StrCat("weights have ", weights.size(), " bytes, expected at most ", kMaxBytes));
  if (weights.chunk_bytes() == 0)
    return absl::InvalidArgumentError("weights have chunk_bytes 0");
  const uint64_t chunks = weights.absent() ? 0
                                           : weights.size() / weights.chunk_bytes() +
                                                 (weights.size() % weights.chunk_bytes() != 0);
  if (static_cast<uint64_t>(weights.chunk_xxh3_size()) != chunks)
    return absl::InvalidArgumentError(absl::StrCat("weights have ", weights.chunk_xxh3_size(),
                                                   " checksums, expected one for each of ", chunks,
                                                   " chunks"));
  uint64_t end = 0;
  for (const Parameter &parameter : manifest.parameters()) {
    if (parameter.offset() < end || parameter.offset() % kParameterAlignment != 0 ||
        parameter.offset() > weights.size() || parameter.bytes() > weights.size() - parameter.offset())
      return absl::InvalidArgumentError(
          absl::StrCat("parameter ", quoted(parameter.name()), " has ", parameter.bytes(), " bytes at byte ",
                       parameter.offset(), " of the weights, expected a multiple of ", kParameterAlignment,
                       " from ", end, " and an end by ", weights.size()));
    end = parameter.offset() + parameter.bytes();
  }
  return absl::OkStatus();
}

static absl::Status checkSteps(const Manifest &manifest) {
  if (manifest.steps_size() == 0)
    return absl::InvalidArgumentError("has no steps");
  bool readsSource = false, writes = false;
  for (const Step &step : manifest.steps()) {
    (step.reads_source() ? readsSource : writes) = true;
    if (step.max_rows() == 0 || step.max_rows() > kMaxCount)
      return absl::InvalidArgumentError(absl::StrCat("step ", quoted(step.name()), " has max_rows ",
                                                     step.max_rows(), ", expected 1 to ", kMaxCount));
    const std::string &symbol = step.symbol();
    const bool isName = !symbol.empty() && std::all_of(symbol.begin(), symbol.end(), [](char c) {
      return absl::ascii_isalnum(c) || c == '_' || c == '.' || c == '$';
    });
    if (!isName)
      return absl::InvalidArgumentError(
          absl::StrCat("step ", quoted(step.name()), " has no symbol that a linker would accept"));
    for (uint32_t work : step.regions())
      if (work >= static_cast<uint32_t>(manifest.works_size()))
        return absl::InvalidArgumentError(absl::StrCat("step ", quoted(step.name()), " computes work ", work,
                                                       ", expected less than ", manifest.works_size()));
  }
  if (!writes)
    return absl::InvalidArgumentError("has no step beside the one that reads a source");
  if (readsSource != manifest.has_encoder())
    return absl::InvalidArgumentError(absl::StrCat("has ", readsSource ? "a" : "no",
                                                   " step that reads a source, expected ",
                                                   manifest.has_encoder() ? "one" : "none"));
  return absl::OkStatus();
}

static absl::Status checkSizes(const Manifest &manifest) {
  const std::pair<absl::string_view, uint32_t> counts[] = {{"vocabulary_size", manifest.vocabulary_size()},
                                                           {"context_length", manifest.context_length()},
                                                           {"output_width", manifest.output_width()}};
  for (auto [field, count] : counts)
    if (count == 0 || count > kMaxCount)
      return absl::InvalidArgumentError(absl::StrCat(field, " is ", count, ", expected 1 to ", kMaxCount));
  const std::pair<absl::string_view, uint64_t> sizes[] = {{"arena_bytes", manifest.arena_bytes()},
                                                          {"cache_bytes", manifest.cache_bytes()}};
  for (auto [field, bytes] : sizes)
    if (bytes > kMaxBytes)
      return absl::InvalidArgumentError(absl::StrCat(field, " is ", bytes, ", expected at most ", kMaxBytes));
  for (const CachePart &part : manifest.cache_parts())
    if (part.runs() == 0 || part.run_bytes() == 0 || part.offset() > manifest.cache_bytes() ||
        part.run_bytes() > (manifest.cache_bytes() - part.offset()) / part.runs())
      return absl::InvalidArgumentError(absl::StrCat("a part of a cache has ", part.runs(), " runs of ",
                                                     part.run_bytes(), " bytes at byte ", part.offset(),
                                                     ", expected an end by ", manifest.cache_bytes()));
  return absl::OkStatus();
}

static absl::Status checkHead(const Manifest &manifest) {
  const Head &head = manifest.head();
  if (head.task() == Head::TASK_UNSPECIFIED || !Head::Task_IsValid(head.task()))
    return absl::InvalidArgumentError(
        absl::StrCat("head.task is ", static_cast<int>(head.task()), ", expected a known task"));
  if (head.problem() == Head::PROBLEM_UNSPECIFIED || !Head::Problem_IsValid(head.problem()))
    return absl::InvalidArgumentError(
        absl::StrCat("head.problem is ", static_cast<int>(head.problem()), ", expected a known problem"));
  const bool ofTokens = head.task() == Head::MASKED_TOKENS;
  const uint32_t outputs = ofTokens ? manifest.vocabulary_size() : head.labels_size();
  const uint32_t least = head.task() == Head::QUESTION_ANSWERING ? 2 : 1;
  if (outputs < least || outputs > manifest.output_width())
    return absl::InvalidArgumentError(absl::StrCat("head has ", outputs, ofTokens ? " tokens" : " labels",
                                                   ", expected ", least, " to ", manifest.output_width(),
                                                   ", the outputs of a row"));
  return absl::OkStatus();
}

static absl::Status checkEncoder(const Manifest &manifest) {
  const Encoder &encoder = manifest.encoder();
  if (encoder.start_token() >= manifest.vocabulary_size())
    return absl::InvalidArgumentError(absl::StrCat("encoder.start_token is ", encoder.start_token(),
                                                   ", expected 0 to ", manifest.vocabulary_size() - 1));
  if (encoder.cache_bytes() > manifest.cache_bytes())
    return absl::InvalidArgumentError(absl::StrCat("encoder.cache_bytes is ", encoder.cache_bytes(),
                                                   ", expected at most ", manifest.cache_bytes(),
                                                   ", which all caches take"));
  return absl::OkStatus();
}

static absl::Status checkKind(const Manifest &manifest) {
  if (manifest.kind() == GENERATE) {
    if (manifest.output_width() < manifest.vocabulary_size())
      return absl::InvalidArgumentError(absl::StrCat("output_width is ", manifest.output_width(),
                                                     ", expected a logit for each of ",
                                                     manifest.vocabulary_size(), " tokens"));
    return checkEncoder(manifest);
  }
  if (manifest.has_encoder())
    return absl::InvalidArgumentError("reads a source, but is no generator");
  if (manifest.kind() == TRAIN) {
    const Training &training = manifest.training();
    if (training.operands_size() != manifest.steps_size() ||
        training.initializers_size() != training.parameters_size())
      return absl::InvalidArgumentError(absl::StrCat(
          "training has operands of ", training.operands_size(), " steps and ", training.initializers_size(),
          " initializers, expected ", manifest.steps_size(), " and ", training.parameters_size()));
    return absl::OkStatus();
  }
  if (manifest.kind() == PREDICT)
    return checkHead(manifest);
  if (manifest.kind() != EMBED)
    return absl::InvalidArgumentError(absl::StrCat("kind is ", static_cast<int>(manifest.kind()),
                                                   ", expected GENERATE, EMBED, TRAIN or PREDICT"));
  const Pooling::Method method = manifest.pooling().method();
  if (!Pooling::Method_IsValid(method) || method == Pooling::METHOD_UNSPECIFIED)
    return absl::InvalidArgumentError(absl::StrCat("pooling.method is ", static_cast<int>(method),
                                                   ", expected MEAN, CLS, MAX, LAST or WEIGHTED_MEAN"));
  return absl::OkStatus();
}

absl::Status checkManifest(const Manifest &manifest, uint64_t sectionsEnd) {
  if (manifest.abi_version() != kLlmcStepAbiVersion)
    return absl::FailedPreconditionError(absl::StrCat(
        "artifact was compiled for step ABI version ", manifest.abi_version(),
        ", but this runtime has version ", static_cast<int>(kLlmcStepAbiVersion), ": compile it again"));
  if (absl::Status status = checkCode(manifest.code(), sectionsEnd); !status.ok())
    return status;
  if (absl::Status status = checkWeights(manifest, sectionsEnd); !status.ok())
    return status;
  if (absl::Status status = checkSteps(manifest); !status.ok())
    return status;
  if (absl::Status status = checkSizes(manifest); !status.ok())
    return status;
  return checkKind(manifest);
}

} // namespace llmc::runtime
