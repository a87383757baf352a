// Artifacts of the tiny models in TinySteps.c.
#ifndef LLMC_TEST_UNIT_RUNTIME_TINYARTIFACT_H
#define LLMC_TEST_UNIT_RUNTIME_TINYARTIFACT_H

#include "runtime/core/ArtifactWriter.h"
#include "runtime/core/CpuFeatures.h"

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

#include <fstream>
#include <sstream>
#include <string>
#include <unistd.h>

namespace llmc::runtime::test {

inline std::string readFile(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream bytes;
  bytes << file.rdbuf();
  return bytes.str();
}

inline void writeFile(const std::string &path, const std::string &bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

inline absl::Span<const uint8_t> bytesOf(const std::string &text) {
  return absl::MakeConstSpan(reinterpret_cast<const uint8_t *>(text.data()), text.size());
}

inline absl::Span<const uint8_t> bytesOf(absl::Span<const float> floats) {
  return absl::MakeConstSpan(reinterpret_cast<const uint8_t *>(floats.data()), floats.size() * sizeof(float));
}

/// A fresh path in the test's temporary folder; nobody else uses it.
inline std::string freshPath(absl::string_view name) {
  static int count = 0;
  return absl::StrCat(testing::TempDir(), "llmc-", getpid(), "-", count++, "-", name);
}

inline Manifest generatorManifest() {
  Manifest manifest;
  manifest.set_producer("test");
  manifest.set_model_name("tiny");
  manifest.mutable_target()->set_triple(absl::StrCat(hostArchitecture(), "-unknown-linux-gnu"));
  manifest.mutable_target()->set_cpu("generic");
  Step &decode = *manifest.add_steps();
  decode.set_name("decode");
  decode.set_symbol("tiny_decode");
  decode.set_max_rows(1);
  Step &prefill = *manifest.add_steps();
  prefill.set_name("prefill");
  prefill.set_symbol("tiny_prefill");
  prefill.set_max_rows(4);
  manifest.set_kind(GENERATE);
  manifest.set_vocabulary_size(11);
  manifest.set_context_length(16);
  manifest.set_output_width(12);
  manifest.set_arena_bytes(64);
  manifest.set_cache_bytes(64);
  return manifest;
}

inline Manifest encoderManifest(Pooling::Method method, bool normalize) {
  Manifest manifest = generatorManifest();
  manifest.clear_steps();
  Step &encode = *manifest.add_steps();
  encode.set_name("encode");
  encode.set_symbol("tiny_encode");
  encode.set_max_rows(8);
  manifest.set_kind(EMBED);
  manifest.set_output_width(3);
  manifest.set_cache_bytes(0);
  manifest.mutable_pooling()->set_method(method);
  manifest.mutable_pooling()->set_normalize(normalize);
  return manifest;
}

/// The same encoder with a head of three labels, and two segments.
inline Manifest predictorManifest() {
  Manifest manifest = encoderManifest(Pooling::CLS, false);
  manifest.clear_pooling();
  manifest.set_kind(PREDICT);
  manifest.mutable_head()->set_task(Head::TOKEN_CLASSIFICATION);
  manifest.mutable_head()->set_problem(Head::SINGLE_LABEL);
  for (const char *label : {"a", "b", "c"})
    manifest.mutable_head()->add_labels(label);
  manifest.mutable_head()->set_token_types(2);
  return manifest;
}

/// Writes an artifact with this manifest and one parameter "w".
inline absl::Status writeTiny(const std::string &path, Manifest manifest,
                              std::vector<float> weights = {3, -1, 0.5f},
                              const std::string &module = LLMC_TINY_MODULE) {
  const std::string code = readFile(module);
  absl::StatusOr<ArtifactWriter> writer = ArtifactWriter::begin(path);
  if (!writer.ok())
    return writer.status();
  if (absl::Status status = writer->writeCode(bytesOf(code)); !status.ok())
    return status;
  const int64_t shape[] = {static_cast<int64_t>(weights.size())};
  if (absl::StatusOr<uint64_t> offset =
          writer->appendParameter("w", shape, "F32", bytesOf(absl::MakeConstSpan(weights)));
      !offset.ok())
    return offset.status();
  return writer->finish(std::move(manifest));
}

} // namespace llmc::runtime::test

#endif // LLMC_TEST_UNIT_RUNTIME_TINYARTIFACT_H
