//===- MixedText.h - lines of many scripts, code and broken bytes ----------===//

#ifndef LLMC_TEST_UNIT_TEXT_MIXED_TEXT_H
#define LLMC_TEST_UNIT_TEXT_MIXED_TEXT_H

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/text/Unicode.h"
#include "test/unit/text/TestFiles.h"

namespace llmc::text {

/// The lines of test/data/text/mixed/mixed_text.py, one after the other.
class MixedText {
public:
  std::string line() {
    std::string text;
    for (uint64_t parts = 1 + below(20); parts > 0; --parts) {
      text += part();
      text += pick("separators");
    }
    return text;
  }

private:
  /// Knuth's MMIX generator.
  uint64_t below(uint64_t limit) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % limit;
  }
  std::string pick(const char *what) {
    return material[what][below(material[what].size())].get<std::string>();
  }

  std::string part() {
    std::string text;
    switch (uint64_t kind = below(32)) {
    case 24:
    case 25:
    case 26: {
      const auto &range = material["ranges"][below(material["ranges"].size())];
      auto first = range[0].get<uint64_t>(), last = range[1].get<uint64_t>();
      for (uint64_t count = 1 + below(6); count > 0; --count)
        appendUtf8(text, static_cast<char32_t>(first + below(last - first + 1)));
      return text;
    }
    case 27:
      for (uint64_t count = 1 + below(4); count > 0; --count)
        text += static_cast<char>(below(256));
      return text;
    case 28:
      return std::to_string(below(1 << 30));
    case 29: {
      std::string word = pick("words");
      for (uint64_t count = 1 + below(12); count > 0; --count)
        text += word;
      return text;
    }
    case 30:
    case 31:
      text = pick("words");
      text.resize(decodeFront(text).length);
      for (uint64_t count = 1 + below(2); count > 0; --count)
        appendUtf8(text, static_cast<char32_t>(0x300 + below(0x70)));
      return text;
    default:
      return pick(kind < 6 ? "fragments" : "words");
    }
  }

  nlohmann::ordered_json material = readTestJson("mixed/material.json");
  uint64_t state = 1;
};

} // namespace llmc::text

#endif
