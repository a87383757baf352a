//===- GpuCheck.cpp - artifacts on a GPU, held to what other artifacts compute -------------------------===//
//
//     gpu-check outputs ARTIFACT COUNT FILE   writes the outputs for COUNT tokens: all rows of a prompt, then
//     those of
//                                             the same tokens one by one
//     gpu-check compare FILE REFERENCE BOUND  fails if outputs differ by more than BOUND of the largest
//     gpu-check bench ARTIFACT PROMPT DECODE DEPTH
//
// Needs the runtime alone, so that it runs where nothing else is installed.
//
//===------------------------------------------------------------------------------------------------===//

#include "runtime/core/Session.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>

using namespace llmc::runtime;

namespace {

[[noreturn]] void fail(absl::string_view message) {
  absl::FPrintF(stderr, "gpu-check: %s\n", message);
  std::exit(1);
}

template <typename T> T take(absl::StatusOr<T> value) {
  if (!value.ok())
    fail(value.status().message());
  return *std::move(value);
}

std::unique_ptr<Session> open(const char *path) {
  return take(Session::create(take(Artifact::load(path, Verify::Auto, AbsentWeights::Random))));
}

std::vector<int32_t> tokensFor(const Session &session, int64_t count) {
  std::vector<int32_t> tokens(count);
  uint32_t state = 7;
  for (int32_t &token : tokens) {
    state = state * 1664525u + 1013904223u;
    token = static_cast<int32_t>((state >> 8) % session.vocabularySize());
  }
  return tokens;
}

/// What the head says of all tokens, the second half of which are of the second text, without padding.
std::vector<float> predict(Session &session, const std::vector<int32_t> &tokens) {
  const Manifest &manifest = session.artifact().manifest();
  std::vector<int32_t> types(tokens.size()), wanted(tokens.size());
  for (size_t i = 0; i < tokens.size(); ++i) {
    types[i] = manifest.head().token_types() > 1 && 2 * i >= tokens.size() ? 1 : 0;
    wanted[i] = static_cast<int32_t>(tokens.size() - 1 - i);
  }
  const absl::Span<const float> rows = take(session.predict(tokens, types, wanted));
  const size_t width = manifest.output_width();
  const size_t used = manifest.head().task() == Head::MASKED_TOKENS
                          ? manifest.vocabulary_size()
                          : static_cast<size_t>(manifest.head().labels_size());
  std::vector<float> outputs;
  for (size_t i = 0; i < tokens.size(); ++i)
    outputs.insert(outputs.end(), rows.begin() + i * width, rows.begin() + i * width + used);
  return outputs;
}

void writeOutputs(const char *path, int64_t count, const char *target) {
  std::unique_ptr<Session> session = open(path);
  const std::vector<int32_t> tokens = tokensFor(*session, count);
  std::vector<float> outputs;
  auto add = [&](absl::Span<const float> rows) { outputs.insert(outputs.end(), rows.begin(), rows.end()); };
  if (session->artifact().manifest().kind() == EMBED) {
    add(take(session->embed(tokens)));
  } else if (session->artifact().manifest().kind() == PREDICT) {
    add(predict(*session, tokens));
  } else {
    add(take(session->feed(tokens, Rows::All)));
    session->reset();
    for (const int32_t token : tokens)
      add(take(session->feed(absl::MakeConstSpan(&token, 1), Rows::Last)));
  }
  std::ofstream(target, std::ios::binary)
      .write(reinterpret_cast<const char *>(outputs.data()),
             static_cast<std::streamsize>(outputs.size() * sizeof(float)));
}

std::vector<float> readFloats(const char *path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file)
    fail(absl::StrCat(path, ": cannot open"));
  std::vector<float> values(static_cast<size_t>(file.tellg()) / sizeof(float));
  file.seekg(0);
  file.read(reinterpret_cast<char *>(values.data()),
            static_cast<std::streamsize>(values.size() * sizeof(float)));
  return values;
}

void compare(const char *path, const char *referencePath, double bound) {
  const std::vector<float> found = readFloats(path), expected = readFloats(referencePath);
  if (found.size() != expected.size() || found.empty())
    fail(absl::StrCat(path, ": has ", found.size(), " outputs, expected ", expected.size()));
  double worst = 0, largest = 0, squares = 0, all = 0;
  size_t worstAt = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    const double difference = std::abs(static_cast<double>(found[i]) - expected[i]);
    if (!(difference <= worst)) {
      worst = std::isnan(difference) ? INFINITY : difference;
      worstAt = i;
    }
    largest = std::max(largest, std::abs(static_cast<double>(expected[i])));
    squares += difference * difference;
    all += static_cast<double>(expected[i]) * expected[i];
  }
  absl::PrintF("%s: off by %.2e of the largest at output %d of %d, %.2e rms\n", path, worst / largest,
               worstAt, found.size(), std::sqrt(squares / all));
  if (!(worst <= bound * largest))
    fail(absl::StrCat(path, ": outputs differ by more than ", bound, " of the largest"));
}

void bench(const char *path, int64_t prompt, int64_t decode, int64_t depth) {
  using Clock = std::chrono::steady_clock;
  auto seconds = [](Clock::time_point since) {
    return std::chrono::duration<double>(Clock::now() - since).count();
  };
  Clock::time_point start = Clock::now();
  std::unique_ptr<Session> session = open(path);
  const double loading = seconds(start);
  const double bytes = static_cast<double>(session->artifact().weights().size());
  double bestPrompt = 1e30, bestDecode = 1e30;
  if (prompt > 0) {
    const std::vector<int32_t> tokens = tokensFor(*session, prompt);
    for (int i = 0; i < 4; ++i) {
      session->reset();
      start = Clock::now();
      take(session->feed(tokens));
      bestPrompt = std::min(bestPrompt, seconds(start));
    }
  }
  if (decode > 0) {
    session->reset();
    if (depth > 0)
      take(session->feed(tokensFor(*session, depth)));
    int32_t token = 1;
    take(session->feed(absl::MakeConstSpan(&token, 1)));
    for (int i = 0; i < 3; ++i) {
      start = Clock::now();
      for (int64_t k = 0; k < decode; ++k)
        take(session->feed(absl::MakeConstSpan(&token, 1)));
      bestDecode = std::min(bestDecode, seconds(start) / static_cast<double>(decode));
    }
  }
  absl::PrintF(
      "{\"artifact\": \"%s\", \"load_seconds\": %.3f, \"weights_bytes\": %.0f, \"prompt_tokens\": %d, "
      "\"prompt_tokens_per_second\": %.1f, \"depth\": %d, \"decode_tokens_per_second\": %.2f, "
      "\"decode_weights_gb_per_second\": %.1f}\n",
      path, loading, bytes, prompt, prompt > 0 ? static_cast<double>(prompt) / bestPrompt : 0.0, depth,
      decode > 0 ? 1 / bestDecode : 0.0, decode > 0 ? bytes / bestDecode / 1e9 : 0.0);
}

} // namespace

int main(int argc, char **argv) {
  const absl::string_view command = argc > 1 ? argv[1] : "";
  if (command == "outputs" && argc == 5)
    writeOutputs(argv[2], std::atoll(argv[3]), argv[4]);
  else if (command == "compare" && argc == 5)
    compare(argv[2], argv[3], std::atof(argv[4]));
  else if (command == "bench" && argc == 6)
    bench(argv[2], std::atoll(argv[3]), std::atoll(argv[4]), std::atoll(argv[5]));
  else
    fail("expected outputs ARTIFACT COUNT FILE, compare FILE REFERENCE BOUND, or bench ARTIFACT PROMPT "
         "DECODE DEPTH");
  return 0;
}
