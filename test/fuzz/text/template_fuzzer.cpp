//===- template_fuzzer.cpp - chat templates of strangers -------------------===//
//
// The input is a template. It is rendered with a short conversation under small limits.
//
//===----------------------------------------------------------------------===//

#include <cstdint>
#include <cstdlib>

#include "runtime/text/Unicode.h"
#include "runtime/text/jinja/Evaluator.h"
#include "runtime/text/jinja/Parser.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  using namespace llmc::text;
  using namespace llmc::text::jinja;
  absl::string_view source(reinterpret_cast<const char *>(data), size);
  if (!isValidUtf8(source))
    return 0;
  absl::StatusOr<Body> body = parse(source);
  if (!body.ok())
    return 0;
  Dict message;
  message.set(Value("role"), Value("user"));
  message.set(Value("content"), Value("Hi \xC3\xA9"));
  Dict variables;
  variables.set(Value("messages"), Value::list({Value(message), Value(message)}));
  variables.set(Value("bos_token"), Value("<s>"));
  variables.set(Value("tools"), Value(Value::None()));
  variables.set(Value("add_generation_prompt"), Value(true));
  Evaluator evaluator({/*stringBytes=*/1 << 16, /*listItems=*/1 << 12, /*work=*/1 << 18}, absl::UnixEpoch());
  absl::StatusOr<std::string> text = evaluator.render(*body, variables);
  if (text.ok() && !isValidUtf8(*text))
    std::abort();
  return 0;
}
