#include "runtime/core/Artifact.h"

#include "NoMoreThreads.h"
#include "TinyArtifact.h"
#include "runtime/core/Session.h"

#include "absl/functional/function_ref.h"
#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include <map>
#include <random>

using namespace llmc::runtime;
using namespace llmc::runtime::test;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

namespace {

class ArtifactTest : public testing::Test {
protected:
  void SetUp() override { path = freshPath("model.llmc"); }
  void TearDown() override { unlink(path.c_str()); }

  /// Loads `path` and returns the message without the path that it begins with.
  std::string messageOfLoad(Verify verify = Verify::Auto) {
    absl::Status status = Artifact::load(path, verify).status();
    EXPECT_FALSE(status.ok());
    std::string message(status.message());
    EXPECT_THAT(message, StartsWith(path + ": "));
    EXPECT_THAT(message, testing::Not(HasSubstr("\n")));
    return message.substr(std::min(message.size(), path.size() + 2));
  }

  std::string messageOfLoad(const Manifest &manifest) {
    EXPECT_EQ(writeTiny(path, manifest), absl::OkStatus());
    return messageOfLoad();
  }

  std::string path;
};

TEST_F(ArtifactTest, ChecksWeightsWithTheThreadsThatItGets) {
  constexpr size_t kChunks = 3;
  std::vector<float> weights(kChunks * kWeightsChunkBytes / sizeof(float), 1);
  ASSERT_EQ(writeTiny(path, generatorManifest(), weights), absl::OkStatus());
  NoMoreThreads limit;
  EXPECT_EQ(Artifact::load(path, Verify::Always).status(), absl::OkStatus());
}

TEST_F(ArtifactTest, KeepsWhatWasWritten) {
  Manifest manifest = generatorManifest();
  manifest.set_licence("Apache-2.0");
  manifest.set_tokenizer(std::string("\0\xff tokenizer", 12));
  manifest.mutable_generation_defaults()->set_temperature(0.7f);
  ASSERT_EQ(writeTiny(path, manifest), absl::OkStatus());
  absl::StatusOr<std::shared_ptr<const Artifact>> artifact = Artifact::load(path);
  ASSERT_EQ(artifact.status(), absl::OkStatus());
  const Manifest &read = (*artifact)->manifest();
  EXPECT_EQ(read.licence(), "Apache-2.0");
  EXPECT_EQ(read.tokenizer(), manifest.tokenizer());
  EXPECT_EQ(read.generation_defaults().temperature(), 0.7f);
  EXPECT_EQ(read.abi_version(), static_cast<uint32_t>(kLlmcStepAbiVersion));
  EXPECT_EQ(read.code().size(), readFile(LLMC_TINY_MODULE).size());
  ASSERT_EQ(read.parameters_size(), 1);
  EXPECT_EQ(read.parameters(0).name(), "w");
  EXPECT_THAT(read.parameters(0).shape(), ElementsAre(3u));
  EXPECT_EQ((*artifact)->weights(), bytesOf(absl::MakeConstSpan({3.0f, -1.0f, 0.5f})));
  EXPECT_EQ(reinterpret_cast<uintptr_t>((*artifact)->weights().data()) % 4096, 0u);
  EXPECT_EQ((*artifact)->stepFor(1).maxRows, 1);
  EXPECT_EQ((*artifact)->stepFor(2).maxRows, 4);
  EXPECT_EQ((*artifact)->stepFor(9).maxRows, 4);
  EXPECT_GT((*artifact)->loadSeconds(), 0);
}

TEST_F(ArtifactTest, StreamsParametersToPlannedPlaces) {
  constexpr size_t kLarge = (uint64_t{40} << 20) + 77;
  const std::string code = readFile(LLMC_TINY_MODULE);
  std::string bytes(kLarge, '\0');
  std::minstd_rand random(1);
  for (char &byte : bytes)
    byte = static_cast<char>(random());
  {
    absl::StatusOr<ArtifactWriter> writer = ArtifactWriter::begin(path);
    ASSERT_TRUE(writer.ok());
    ASSERT_TRUE(writer->writeCode(bytesOf(code)).ok());
    EXPECT_EQ(*writer->appendParameter("a", {5}, "Q8_0", bytesOf(bytes).first(5)), 0u);
    EXPECT_EQ(*writer->beginParameter("b", {7, 11}, "F32"), 64u);
    // Pieces of odd sizes, across the borders of chunks.
    for (absl::Span<const uint8_t> rest = bytesOf(bytes); !rest.empty();) {
      const size_t count = std::min<size_t>(rest.size(), 7777777);
      ASSERT_TRUE(writer->appendParameterBytes(rest.first(count)).ok());
      rest.remove_prefix(count);
    }
    EXPECT_EQ(*writer->appendParameter("c", {}, "F32", bytesOf(bytes).first(4), uint64_t{48} << 20),
              uint64_t{48} << 20);
    ArtifactWriter moved = *std::move(writer);
    ASSERT_EQ(moved.finish(generatorManifest()), absl::OkStatus());
  }
  absl::StatusOr<ArtifactFile> file = ArtifactFile::open(path, Verify::Always);
  ASSERT_EQ(file.status(), absl::OkStatus());
  EXPECT_EQ(file->weights().size(), (uint64_t{48} << 20) + 4);
  EXPECT_EQ(file->manifest().weights().chunk_xxh3_size(), 4);
  EXPECT_EQ(file->manifest().parameters(1).bytes(), kLarge);
  EXPECT_EQ(file->weights().subspan(64, kLarge), bytesOf(bytes));
  EXPECT_EQ(file->weights()[64 + kLarge], 0);
}

TEST_F(ArtifactTest, WriterRefusesPlacesThatAreTakenOrMisaligned) {
  absl::StatusOr<ArtifactWriter> writer = ArtifactWriter::begin(path);
  const std::string code = readFile(LLMC_TINY_MODULE), bytes(100, 'x');
  EXPECT_FALSE(writer->beginParameter("early", {}, "F32").ok());
  EXPECT_FALSE(writer->writeCode(bytesOf(bytes)).ok()) << "not an ELF file";
  ASSERT_TRUE(writer->writeCode(bytesOf(code)).ok());
  ASSERT_TRUE(writer->appendParameter("a", {}, "F32", bytesOf(bytes)).ok());
  EXPECT_EQ(
      writer->beginParameter("b", {}, "F32", 64).status().message(),
      path + ": parameter 'b' is planned at byte 64 of the weights, where 100 bytes are written; expected a "
             "multiple of 64 behind them");
  EXPECT_FALSE(writer->beginParameter("b", {}, "F32", 130).ok());
}

TEST_F(ArtifactTest, AnUnfinishedOneLeavesTheOldFile) {
  writeFile(path, "old");
  {
    absl::StatusOr<ArtifactWriter> writer = ArtifactWriter::begin(path);
    ASSERT_TRUE(writer->writeCode(bytesOf(readFile(LLMC_TINY_MODULE))).ok());
    Manifest manifest = generatorManifest();
    manifest.set_context_length(0);
    EXPECT_EQ(writer->finish(manifest).message(),
              path + ": manifest: context_length is 0, expected 1 to 1073741824");
  }
  EXPECT_EQ(readFile(path), "old");
}

TEST_F(ArtifactTest, NoticesDamageAnywhere) {
  ASSERT_EQ(writeTiny(path, generatorManifest()), absl::OkStatus());
  const std::string whole = readFile(path);
  absl::StatusOr<Manifest> manifest = readManifest(path, bytesOf(whole));
  ASSERT_TRUE(manifest.ok());
  const size_t weights = manifest->weights().offset(), footer = whole.size() - sizeof(Footer);
  const auto damagedAt = [&](size_t place) {
    std::string bytes = whole;
    bytes[place] ^= 0x10;
    writeFile(path, bytes);
    return messageOfLoad();
  };
  EXPECT_EQ(damagedAt(100), "code is damaged: its checksum does not match");
  EXPECT_EQ(damagedAt(manifest->code().size() - 1), "code is damaged: its checksum does not match");
  EXPECT_EQ(damagedAt(weights + 4), absl::StrCat("weights are damaged between bytes ", weights, " and ",
                                                 weights + 12, ": their checksum does not match"));
  EXPECT_EQ(damagedAt(footer - 3), "manifest is damaged: its checksum does not match");
  for (size_t place = footer + 8; place < whole.size(); ++place)
    EXPECT_EQ(damagedAt(place), "footer is damaged: its checksum does not match") << place;
  EXPECT_EQ(damagedAt(footer + 1),
            "is not an artifact, or was cut short: its last 64 bytes do not begin with LLMCART1");
}

TEST_F(ArtifactTest, VerifiesWeightsOnlyWhenWanted) {
  ASSERT_EQ(writeTiny(path, generatorManifest()), absl::OkStatus());
  std::string bytes = readFile(path);
  bytes[readManifest(path, bytesOf(bytes))->weights().offset()] ^= 1;
  writeFile(path, bytes);
  EXPECT_TRUE(ArtifactFile::open(path, Verify::Never).ok());
  EXPECT_FALSE(ArtifactFile::open(path, Verify::Auto).ok());
  EXPECT_FALSE(ArtifactFile::open(path, Verify::Always).ok());
}

TEST_F(ArtifactTest, NoticesEveryTruncation) {
  ASSERT_EQ(writeTiny(path, generatorManifest()), absl::OkStatus());
  const std::string whole = readFile(path);
  for (size_t size = 0; size < whole.size(); size += size < whole.size() - 200 ? 997 : 1)
    EXPECT_FALSE(readManifest(path, bytesOf(whole).first(size)).ok()) << size;
  EXPECT_FALSE(readManifest(path, bytesOf(whole + "x")).ok());
  writeFile(path, "short");
  EXPECT_EQ(messageOfLoad(), "is not an artifact: it has 5 bytes, fewer than a footer");
}

TEST_F(ArtifactTest, NamesTheOtherFormatVersion) {
  ASSERT_EQ(writeTiny(path, generatorManifest()), absl::OkStatus());
  std::string bytes = readFile(path);
  bytes[bytes.size() - sizeof(Footer) + 7] = '2';
  writeFile(path, bytes);
  EXPECT_EQ(messageOfLoad(), "has artifact format '2', but this runtime reads format '1'");
}

/// Where the sections of validManifest() end.
constexpr uint64_t kSectionsEnd = 8292;

Manifest validManifest() {
  Manifest valid = generatorManifest();
  valid.set_abi_version(kLlmcStepAbiVersion);
  valid.mutable_code()->set_size(5000);
  Weights &weights = *valid.mutable_weights();
  weights.set_offset(8192);
  weights.set_size(100);
  weights.set_chunk_bytes(64);
  weights.add_chunk_xxh3(1);
  weights.add_chunk_xxh3(2);
  Parameter &parameter = *valid.add_parameters();
  parameter.set_name("p");
  parameter.set_bytes(36);
  parameter.set_offset(64);
  return valid;
}

/// What is said of a manifest that was valid before `change`.
std::string messageAfter(absl::FunctionRef<void(Manifest &)> change) {
  Manifest manifest = validManifest();
  change(manifest);
  return std::string(checkManifest(manifest, kSectionsEnd).message());
}

TEST(ManifestTest, IsCheckedForItsSections) {
  ASSERT_EQ(checkManifest(validManifest(), kSectionsEnd), absl::OkStatus());
  EXPECT_EQ(messageAfter([](Manifest &m) { m.set_abi_version(7); }),
            "artifact was compiled for step ABI version 7, but this runtime has version 4: compile it again");
  EXPECT_EQ(messageAfter([](Manifest &m) { m.mutable_code()->set_offset(64); }),
            "code begins at byte 64, expected 0");
  EXPECT_EQ(messageAfter([](Manifest &m) { m.mutable_code()->set_size(8293); }),
            "code has 8293 bytes, expected 1 to 8292");
  EXPECT_EQ(messageAfter([](Manifest &m) { m.mutable_weights()->set_offset(8200); }),
            "weights begin at byte 8200, expected a multiple of 4096 behind the code of 5000 bytes");
  EXPECT_EQ(messageAfter([](Manifest &m) { m.mutable_weights()->set_offset(4096); }),
            "weights begin at byte 4096, expected a multiple of 4096 behind the code of 5000 bytes");
  EXPECT_EQ(
      messageAfter([](Manifest &m) { m.mutable_weights()->set_size(~0ull); }),
      "weights of 18446744073709551615 bytes at byte 8192 end behind byte 8292, where the manifest begins");
  EXPECT_EQ(messageAfter([](Manifest &m) { m.mutable_weights()->set_chunk_bytes(0); }),
            "weights have chunk_bytes 0");
  EXPECT_EQ(messageAfter([](Manifest &m) { m.mutable_weights()->add_chunk_xxh3(3); }),
            "weights have 3 checksums, expected one for each of 2 chunks");
  for (uint64_t offset : {uint64_t{128}, ~uint64_t{63}})
    EXPECT_EQ(messageAfter([&](Manifest &m) { m.mutable_parameters(0)->set_offset(offset); }),
              absl::StrCat("parameter 'p' has 36 bytes at byte ", offset,
                           " of the weights, expected a multiple of 64 from 0 and an end by 100"));
  EXPECT_EQ(messageAfter([](Manifest &m) { *m.add_parameters() = m.parameters(0); }),
            "parameter 'p' has 36 bytes at byte 64 of the weights, expected a multiple of 64 from 100 and an "
            "end by 100");
}

TEST(ManifestTest, IsCheckedForWhatRuns) {
  EXPECT_EQ(messageAfter([](Manifest &m) {
              m.mutable_steps(0)->set_name("a\nb'");
              m.mutable_steps(0)->clear_symbol();
            }),
            "step 'a\\nb\\'' has no symbol that a linker would accept")
      << "one line whatever the file holds";
  EXPECT_EQ(messageAfter([](Manifest &m) { m.clear_steps(); }), "has no steps");
  EXPECT_EQ(messageAfter([](Manifest &m) { m.mutable_steps(0)->set_reads_source(true); }),
            "has a step that reads a source, expected none");
  EXPECT_EQ(messageAfter([](Manifest &m) { m.mutable_encoder(); }),
            "has no step that reads a source, expected one");
  EXPECT_EQ(messageAfter([](Manifest &m) {
              for (auto &step : *m.mutable_steps())
                step.set_reads_source(true);
            }),
            "has no step beside the one that reads a source");
  EXPECT_EQ(messageAfter([](Manifest &m) {
              m.mutable_steps(0)->set_reads_source(true);
              m.mutable_encoder()->set_start_token(11);
            }),
            "encoder.start_token is 11, expected 0 to 10");
  EXPECT_EQ(messageAfter([](Manifest &m) { m.mutable_steps(1)->set_max_rows(0); }),
            "step 'prefill' has max_rows 0, expected 1 to 1073741824");
  EXPECT_EQ(messageAfter([](Manifest &m) { m.mutable_steps(0)->set_symbol("a b"); }),
            "step 'decode' has no symbol that a linker would accept");
  EXPECT_EQ(messageAfter([](Manifest &m) { m.set_vocabulary_size(0xffffffff); }),
            "vocabulary_size is 4294967295, expected 1 to 1073741824");
  EXPECT_EQ(messageAfter([](Manifest &m) { m.set_cache_bytes(~0ull); }),
            "cache_bytes is 18446744073709551615, expected at most 140737488355328");
  EXPECT_EQ(messageAfter([](Manifest &m) { m.set_output_width(10); }),
            "output_width is 10, expected a logit for each of 11 tokens");
  EXPECT_EQ(messageAfter([](Manifest &m) { m.clear_kind(); }),
            "kind is 0, expected GENERATE, EMBED, TRAIN or PREDICT");
  EXPECT_EQ(messageAfter([](Manifest &m) { m.set_kind(TRAIN); }),
            "training has operands of 0 steps and 0 initializers, expected 2 and 0");
  EXPECT_EQ(messageAfter([](Manifest &m) { m.set_kind(EMBED); }),
            "pooling.method is 0, expected MEAN, CLS, MAX, LAST or WEIGHTED_MEAN");
  EXPECT_EQ(messageAfter([](Manifest &m) { m.set_kind(PREDICT); }), "head.task is 0, expected a known task");
  auto predicts = [](Head::Task task, Head::Problem problem, int labels) {
    return [=](Manifest &m) {
      m.set_kind(PREDICT);
      m.mutable_head()->set_task(task);
      m.mutable_head()->set_problem(problem);
      for (int i = 0; i < labels; ++i)
        m.mutable_head()->add_labels("x");
    };
  };
  EXPECT_EQ(messageAfter(predicts(Head::TOKEN_CLASSIFICATION, Head::PROBLEM_UNSPECIFIED, 1)),
            "head.problem is 0, expected a known problem");
  EXPECT_EQ(messageAfter(predicts(Head::SEQUENCE_CLASSIFICATION, Head::SINGLE_LABEL, 13)),
            "head has 13 labels, expected 1 to 12, the outputs of a row");
  EXPECT_EQ(messageAfter(predicts(Head::QUESTION_ANSWERING, Head::SINGLE_LABEL, 1)),
            "head has 1 labels, expected 2 to 12, the outputs of a row");
  EXPECT_EQ(messageAfter([&](Manifest &m) {
              predicts(Head::MASKED_TOKENS, Head::SINGLE_LABEL, 0)(m);
              m.set_output_width(10);
            }),
            "head has 11 tokens, expected 1 to 10, the outputs of a row");
}

TEST_F(ArtifactTest, RefusesOtherMachines) {
  const std::string host(hostArchitecture());
  Manifest manifest = generatorManifest();
  manifest.mutable_target()->set_triple("riscv64-unknown-linux-gnu");
  EXPECT_EQ(messageOfLoad(manifest),
            absl::StrCat("artifact was compiled for riscv64-unknown-linux-gnu, but this machine is ", host,
                         " Linux"));
  manifest = generatorManifest();
  manifest.mutable_target()->add_required_features("flux-capacitor");
  EXPECT_EQ(messageOfLoad(manifest),
            "artifact needs CPU feature 'flux-capacitor', which this runtime does not know");
}

TEST(CpuFeaturesTest, NamesWhatIsMissing) {
  Target target;
  target.set_triple("x86_64-unknown-linux-gnu");
  target.set_cpu("sapphirerapids");
  for (const char *feature : {"avx2", "avx512vnni", "egpr"})
    target.add_required_features(feature);
  EXPECT_EQ(checkTarget(target, "x86_64", {"avx2", "avx512vnni", "egpr"}), absl::OkStatus());
  EXPECT_EQ(checkTarget(target, "x86_64", {"avx2"}).message(),
            "artifact was compiled for sapphirerapids and needs avx512vnni, egpr, which this CPU lacks");
  target.add_required_features("amx-complex");
  EXPECT_EQ(checkTarget(target, "x86_64", {"avx2", "avx512vnni", "egpr"}).message(),
            "artifact needs CPU feature 'amx-complex', which this runtime does not know");
}

TEST_F(ArtifactTest, NamesMissingSymbols) {
  Manifest manifest = generatorManifest();
  manifest.mutable_steps(1)->set_symbol("no_such_step");
  EXPECT_EQ(messageOfLoad(manifest), "step 'prefill': code has no symbol 'no_such_step'");
}

TEST_F(ArtifactTest, NamesTheFileThatIsMissing) {
  EXPECT_FALSE(Artifact::load(path).ok());
  EXPECT_THAT(messageOfLoad(), HasSubstr("No such file"));
}

// dlopen() would give the code of the first file for the second one.
TEST_F(ArtifactTest, IsNotFooledByAReplacedFileOfTheSameName) {
  ASSERT_EQ(writeTiny(path, generatorManifest()), absl::OkStatus());
  absl::StatusOr<std::shared_ptr<const Artifact>> first = Artifact::load(path);
  ASSERT_TRUE(first.ok());
  EXPECT_TRUE(Artifact::load(path).ok()) << "the same file can be loaded twice";
  ASSERT_EQ(writeTiny(path, generatorManifest(), {3}, LLMC_OTHER_TINY_MODULE), absl::OkStatus());
  EXPECT_EQ(messageOfLoad(), "another artifact was loaded from a file of this name and is still in use");
  first->reset();
  absl::StatusOr<std::shared_ptr<const Artifact>> second = Artifact::load(path);
  ASSERT_EQ(second.status(), absl::OkStatus());
  std::unique_ptr<Session> session = *Session::create(*second, {.threads = 1});
  EXPECT_EQ((*session->feed({1}))[1 + 3 + 5], 1.0f) << "the code of the second file adds 5";
}

TEST_F(ArtifactTest, LoadsFromAPathWithoutASlash) {
  ASSERT_EQ(writeTiny(path, generatorManifest()), absl::OkStatus());
  char *old = getcwd(nullptr, 0);
  ASSERT_EQ(chdir(testing::TempDir().c_str()), 0);
  EXPECT_EQ(Artifact::load(path.substr(path.rfind('/') + 1)).status(), absl::OkStatus());
  ASSERT_EQ(chdir(old), 0);
  free(old);
}

} // namespace
