//===- RoundTrip.h - what holds for every tokenizer ------------------------===//

#ifndef LLMC_TEST_FUZZ_TEXT_ROUND_TRIP_H
#define LLMC_TEST_FUZZ_TEXT_ROUND_TRIP_H

#include <cstdlib>
#include <string>

#include "runtime/text/Tokenizer.h"
#include "runtime/text/Unicode.h"

namespace llmc::text {

inline void require(bool holds) {
  if (!holds)
    std::abort();
}

/// Encodes and decodes `text`: ids lie in the vocabulary, what is streamed are whole characters.
inline void checkRoundTrip(const Tokenizer &tokenizer, absl::string_view text) {
  for (bool special : {true, false}) {
    absl::StatusOr<std::vector<int32_t>> ids = tokenizer.encode(text, {special, special});
    if (!ids.ok())
      return;
    for (int32_t id : *ids)
      require(id >= 0 && static_cast<size_t>(id) < tokenizer.vocabularySize());
    StreamingDetokenizer stream(tokenizer, DecodeSpecial::Keep);
    for (int32_t id : *ids)
      require(isValidUtf8(stream.push(id)));
    require(isValidUtf8(stream.finish()));
  }
}

} // namespace llmc::text

#endif
