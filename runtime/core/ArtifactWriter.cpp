#include "runtime/core/ArtifactWriter.h"

#include "runtime/core/StepAbi.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>
#include <xxhash.h>

namespace llmc::runtime {

/// XXH3 of each chunk of a stream.
class ArtifactWriter::WeightsChecksum {
public:
  WeightsChecksum() { XXH3_64bits_reset(state.get()); }

  void update(absl::Span<const uint8_t> bytes) {
    while (!bytes.empty()) {
      const size_t count = std::min<size_t>(bytes.size(), kWeightsChunkBytes - inChunk);
      XXH3_64bits_update(state.get(), bytes.data(), count);
      bytes.remove_prefix(count);
      inChunk += count;
      if (inChunk == kWeightsChunkBytes)
        endChunk();
    }
  }

  const std::vector<uint64_t> &finish() {
    if (inChunk != 0)
      endChunk();
    return chunks;
  }

private:
  void endChunk() {
    chunks.push_back(XXH3_64bits_digest(state.get()));
    XXH3_64bits_reset(state.get());
    inChunk = 0;
  }

  struct FreeState {
    void operator()(XXH3_state_t *state) const { XXH3_freeState(state); }
  };
  std::unique_ptr<XXH3_state_t, FreeState> state{XXH3_createState()};
  uint64_t inChunk = 0;
  std::vector<uint64_t> chunks;
};

ArtifactWriter::ArtifactWriter(io::AtomicFile file) : file(std::move(file)) {}
ArtifactWriter::ArtifactWriter(ArtifactWriter &&) noexcept = default;
ArtifactWriter &ArtifactWriter::operator=(ArtifactWriter &&) noexcept = default;
ArtifactWriter::~ArtifactWriter() = default;

absl::Status ArtifactWriter::misuse(absl::string_view what) const {
  return absl::InternalError(absl::StrCat(file.path(), ": ", what));
}

absl::StatusOr<ArtifactWriter> ArtifactWriter::begin(absl::string_view path) {
  absl::StatusOr<io::AtomicFile> file = io::AtomicFile::create(path);
  if (!file.ok())
    return file.status();
  return ArtifactWriter(*std::move(file));
}

absl::Status ArtifactWriter::writeCode(absl::Span<const uint8_t> sharedObject) {
  static constexpr uint8_t elfMagic[] = {0x7f, 'E', 'L', 'F'};
  if (written.has_code() || sharedObject.size() < sizeof(elfMagic) ||
      !std::equal(std::begin(elfMagic), std::end(elfMagic), sharedObject.begin()))
    return misuse("code has to be written once, first, and be an ELF shared object");
  written.mutable_code()->set_size(sharedObject.size());
  written.mutable_code()->set_xxh3(checksumOf(sharedObject));
  if (absl::Status status = file.append(sharedObject); !status.ok())
    return status;
  if (absl::Status status = file.alignTo(kWeightsAlignment); !status.ok())
    return status;
  Weights &weights = *written.mutable_weights();
  weights.set_offset(file.offset());
  weights.set_chunk_bytes(kWeightsChunkBytes);
  checksum = std::make_unique<WeightsChecksum>();
  return absl::OkStatus();
}

absl::Status ArtifactWriter::appendWeights(absl::Span<const uint8_t> bytes) {
  checksum->update(bytes);
  written.mutable_weights()->set_size(written.weights().size() + bytes.size());
  return file.append(bytes);
}

absl::Status ArtifactWriter::padWeightsTo(uint64_t offset) {
  static constexpr uint8_t zeros[4096] = {};
  while (written.weights().size() < offset) {
    const uint64_t count = std::min<uint64_t>(sizeof(zeros), offset - written.weights().size());
    if (absl::Status status = appendWeights(absl::MakeConstSpan(zeros, count)); !status.ok())
      return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> ArtifactWriter::beginParameter(absl::string_view name,
                                                        absl::Span<const int64_t> shape,
                                                        absl::string_view format,
                                                        std::optional<uint64_t> offset) {
  if (!checksum)
    return misuse("parameters come after the code");
  const uint64_t end = written.weights().size();
  const uint64_t place =
      offset.value_or((end + kParameterAlignment - 1) / kParameterAlignment * kParameterAlignment);
  if (place < end || place % kParameterAlignment != 0)
    return misuse(absl::StrCat("parameter '", name, "' is planned at byte ", place, " of the weights, where ",
                               end, " bytes are written; expected a multiple of ", kParameterAlignment,
                               " behind them"));
  if (absl::Status status = padWeightsTo(place); !status.ok())
    return status;
  Parameter &parameter = *written.add_parameters();
  parameter.set_name(std::string(name));
  parameter.mutable_shape()->Add(shape.begin(), shape.end());
  parameter.set_format(std::string(format));
  parameter.set_offset(place);
  return place;
}

absl::Status ArtifactWriter::appendParameterBytes(absl::Span<const uint8_t> bytes) {
  if (written.parameters().empty())
    return misuse("bytes of a parameter before its beginning");
  Parameter &parameter = *written.mutable_parameters()->rbegin();
  parameter.set_bytes(parameter.bytes() + bytes.size());
  return appendWeights(bytes);
}

absl::StatusOr<uint64_t> ArtifactWriter::appendParameter(absl::string_view name,
                                                         absl::Span<const int64_t> shape,
                                                         absl::string_view format,
                                                         absl::Span<const uint8_t> bytes,
                                                         std::optional<uint64_t> offset) {
  absl::StatusOr<uint64_t> place = beginParameter(name, shape, format, offset);
  if (!place.ok())
    return place;
  if (absl::Status status = appendParameterBytes(bytes); !status.ok())
    return status;
  return place;
}

absl::Status ArtifactWriter::leaveOutWeights(uint64_t bytes) {
  if (!checksum || written.weights().size() != 0)
    return misuse("weights are left out after the code and before any of them");
  written.mutable_weights()->set_absent(true);
  written.mutable_weights()->set_size(bytes);
  return absl::OkStatus();
}

absl::Status ArtifactWriter::finish(Manifest manifest) {
  if (!checksum)
    return misuse("an artifact needs code");
  const std::vector<uint64_t> &chunks = checksum->finish();
  written.mutable_weights()->mutable_chunk_xxh3()->Add(chunks.begin(), chunks.end());
  checksum.reset();
  manifest.set_abi_version(kLlmcStepAbiVersion);
  *manifest.mutable_code() = written.code();
  *manifest.mutable_weights() = written.weights();
  *manifest.mutable_parameters() = written.parameters();
  if (absl::Status status = checkManifest(manifest, file.offset()); !status.ok())
    return misuse(absl::StrCat("manifest: ", status.message()));

  const uint64_t manifestOffset = file.offset();
  const std::string text = manifest.SerializeAsString();
  if (absl::Status status = file.append(text); !status.ok())
    return status;
  const Footer footer = makeFooter(
      manifestOffset, absl::MakeConstSpan(reinterpret_cast<const uint8_t *>(text.data()), text.size()));
  if (absl::Status status =
          file.append(absl::MakeConstSpan(reinterpret_cast<const uint8_t *>(&footer), sizeof(footer)));
      !status.ok())
    return status;
  return file.commit();
}

} // namespace llmc::runtime
