// Runs an artifact where the tests that compile it cannot: under emulation.
//
//   feed-tokens ARTIFACT NUMBERS... [--types NUMBERS...] [--source NUMBERS...]
//
// writes rows of f32, in the order of this machine, to the standard output stream: one for each token, once
// of all tokens at a time on two threads, once of one token at a time, and once of all on one thread.

#include "absl/strings/numbers.h"
#include "runtime/core/Session.h"
#include <cstdio>
#include <cstdlib>
#include <map>
#include <numeric>
#include <string>
#include <vector>

using namespace llmc::runtime;

namespace {

[[noreturn]] void fail(const absl::Status &status) {
  std::fprintf(stderr, "feed-tokens: %s\n", std::string(status.message()).c_str());
  std::exit(1);
}

template <typename T> T take(absl::StatusOr<T> value) {
  if (!value.ok())
    fail(value.status());
  return *std::move(value);
}

void write(absl::Span<const float> rows) { std::fwrite(rows.data(), sizeof(float), rows.size(), stdout); }

/// Numbers by the option that they come after.
using Arguments = std::map<std::string, std::vector<int32_t>>;

Arguments parse(int count, char **words) {
  Arguments arguments;
  std::vector<int32_t> *list = &arguments["tokens"];
  for (int i = 2; i < count; ++i) {
    int32_t number;
    if (absl::SimpleAtoi(words[i], &number))
      list->push_back(number);
    else
      list = &arguments[words[i]];
  }
  return arguments;
}

/// A decoder, which has read the source if there is one.
std::unique_ptr<Session> decoder(std::shared_ptr<const Artifact> artifact, int threads,
                                 Arguments &arguments) {
  auto session = take(Session::create(std::move(artifact), {.threads = threads}));
  if (!arguments["--source"].empty())
    if (absl::Status status = session->readSource(arguments["--source"]); !status.ok())
      fail(status);
  return session;
}

void decode(std::shared_ptr<const Artifact> artifact, Arguments &arguments) {
  const std::vector<int32_t> &tokens = arguments["tokens"];
  write(take(decoder(artifact, 2, arguments)->feed(tokens, Rows::All)));
  auto single = decoder(artifact, 2, arguments);
  for (int32_t token : tokens)
    write(take(single->feed(absl::MakeConstSpan(&token, 1))));
  write(take(decoder(artifact, 1, arguments)->feed(tokens, Rows::All)));
}

void predict(std::shared_ptr<const Artifact> artifact, Arguments &arguments) {
  const std::vector<int32_t> &tokens = arguments["tokens"], &types = arguments["--types"];
  std::vector<int32_t> all(tokens.size());
  std::iota(all.begin(), all.end(), 0);
  auto two = take(Session::create(artifact, {.threads = 2})),
       one = take(Session::create(artifact, {.threads = 1}));
  write(take(two->predict(tokens, types, all)));
  for (int32_t wanted : all)
    write(take(two->predict(tokens, types, {&wanted, 1})));
  write(take(one->predict(tokens, types, all)));
}

} // namespace

int main(int count, char **words) {
  if (count < 3)
    fail(absl::InvalidArgumentError("expected an artifact and tokens"));
  Arguments arguments = parse(count, words);
  std::shared_ptr<const Artifact> artifact = take(Artifact::load(words[1]));
  if (artifact->manifest().kind() == PREDICT)
    predict(artifact, arguments);
  else
    decode(artifact, arguments);
}
