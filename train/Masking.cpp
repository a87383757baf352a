#include "train/Masking.h"

#include "dialects/random/Philox.h"

#include <algorithm>

namespace llmc::train {

namespace {

/// The counters of Philox of which this is one use; others are in Batches.cpp and Initialize.cpp.
constexpr uint32_t kUse = 3;

bool bitOf(const std::string &bits, int32_t index) {
  const size_t byte = static_cast<size_t>(index) / 8;
  return byte < bits.size() && (static_cast<uint8_t>(bits[byte]) >> (index % 8) & 1) != 0;
}

/// From 0 to less than 1.
double fraction(uint32_t word) { return static_cast<double>(word) / 4294967296.0; }

} // namespace

bool Masking::isSpecial(int32_t token) const { return bitOf(rules.special(), token); }
bool Masking::continuesWord(int32_t token) const { return bitOf(rules.continues_word(), token); }

int64_t Masking::apply(uint64_t epoch, int64_t begin, absl::Span<int32_t> tokens,
                       absl::Span<int32_t> targets) const {
  constexpr double kMasked = 0.8, kRandom = 0.9; // of the chosen ones, added up
  int64_t count = 0;
  bool isChosen = false;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const uint64_t place = begin + i;
    const std::array<uint32_t, 4> words =
        philox({static_cast<uint32_t>(place), static_cast<uint32_t>(place >> 32),
                static_cast<uint32_t>(epoch), kUse},
               {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)});
    const int32_t token = tokens[i];
    // Of a word the first token decides.
    if (!rules.whole_words() || i == 0 || !continuesWord(token))
      isChosen = fraction(words[0]) < rules.part();
    targets[i] = -1;
    if (!isChosen || isSpecial(token))
      continue;
    targets[i] = token;
    ++count;
    if (fraction(words[1]) < kMasked)
      tokens[i] = static_cast<int32_t>(rules.mask_id());
    else if (fraction(words[1]) < kRandom)
      tokens[i] = static_cast<int32_t>(uint64_t{words[2]} * static_cast<uint64_t>(vocabulary) >> 32);
  }
  return count;
}

} // namespace llmc::train
