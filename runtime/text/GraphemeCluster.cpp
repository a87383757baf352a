//===- GraphemeCluster.cpp - what a reader takes for one character --------===//

#include "runtime/text/GraphemeCluster.h"

#include <unicode/uchar.h>

#include "runtime/text/Unicode.h"

namespace llmc::text {

namespace {

UGraphemeClusterBreak breakClass(char32_t c) {
  return static_cast<UGraphemeClusterBreak>(
      u_getIntPropertyValue(static_cast<UChar32>(c), UCHAR_GRAPHEME_CLUSTER_BREAK));
}

bool isPictographic(char32_t c) {
  return u_hasBinaryProperty(static_cast<UChar32>(c), UCHAR_EXTENDED_PICTOGRAPHIC);
}

/// What the rules look back at.
struct Before {
  UGraphemeClusterBreak last;
  unsigned regionalIndicators; // at the end, all of the cluster
  bool pictographic;           // a pictographic character, then only Extend
  bool pictographicJoin;       // the same, then a joiner
};

/// Whether there is no boundary before `next`: rules GB3 to GB13. GB9c is left out: it joins characters of at
/// least 3 bytes over a sign of 3 bytes, which are clusters of 6 bytes and more without it.
bool joins(const Before &before, char32_t character, UGraphemeClusterBreak next) {
  switch (before.last) {
  case U_GCB_CR:
    return next == U_GCB_LF;
  case U_GCB_LF:
  case U_GCB_CONTROL:
    return false;
  case U_GCB_L:
    if (next == U_GCB_L || next == U_GCB_V || next == U_GCB_LV || next == U_GCB_LVT)
      return true;
    break;
  case U_GCB_LV:
  case U_GCB_V:
    if (next == U_GCB_V || next == U_GCB_T)
      return true;
    break;
  case U_GCB_LVT:
  case U_GCB_T:
    if (next == U_GCB_T)
      return true;
    break;
  case U_GCB_PREPEND:
    if (next != U_GCB_CR && next != U_GCB_LF && next != U_GCB_CONTROL)
      return true;
    break;
  case U_GCB_REGIONAL_INDICATOR:
    if (next == U_GCB_REGIONAL_INDICATOR)
      return before.regionalIndicators % 2 == 1;
    break;
  default:
    break;
  }
  if (next == U_GCB_EXTEND || next == U_GCB_ZWJ || next == U_GCB_SPACING_MARK)
    return true;
  return before.pictographicJoin && isPictographic(character);
}

} // namespace

size_t graphemeClusterLength(absl::string_view text) {
  DecodedCharacter front = decodeFront(text);
  size_t length = front.length;
  // Two of ASCII are one cluster only as a line end.
  if (front.character < 0x80 &&
      (length == text.size() || (static_cast<signed char>(text[length]) >= 0 && front.character != '\r')))
    return length;
  Before before{breakClass(front.character), 0, isPictographic(front.character), false};
  before.regionalIndicators = before.last == U_GCB_REGIONAL_INDICATOR;
  while (length < text.size()) {
    DecodedCharacter following = decodeFront(text.substr(length));
    UGraphemeClusterBreak next = breakClass(following.character);
    if (!joins(before, following.character, next))
      break;
    before.pictographicJoin = before.pictographic && next == U_GCB_ZWJ;
    before.pictographic =
        isPictographic(following.character) || (before.pictographic && next == U_GCB_EXTEND);
    before.regionalIndicators = next == U_GCB_REGIONAL_INDICATOR ? before.regionalIndicators + 1 : 0;
    before.last = next;
    length += following.length;
  }
  return length;
}

} // namespace llmc::text
