//===- DoubleArray.h - a trie of byte strings in one array ----------------===//

#ifndef LLMC_TEXT_DOUBLE_ARRAY_H
#define LLMC_TEXT_DOUBLE_ARRAY_H

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace llmc::text {

/// A unit of a double array, laid out as in Darts-clone, whose arrays lie in SentencePiece's models. The
/// children of the node at `i` are at `i ^ offset(unit) ^ byte`, where their units repeat the byte; the value
/// of a key that ends at a node is at `i ^ offset(unit)`.
namespace double_array {

/// Marks a unit that is a value; no byte equals its label.
constexpr uint32_t kIsValue = 1u << 31;
/// Marks a node where a key ends.
constexpr uint32_t kHasValue = 1u << 8;
/// An offset is stored in bits 10 to 30; where this is set, in units of 256.
constexpr uint32_t kWideOffset = 1u << 9;

inline uint32_t label(uint32_t unit) { return unit & (kIsValue | 0xFF); }
inline uint32_t offset(uint32_t unit) { return (unit >> 10 & 0x1FFFFF) << (unit & kWideOffset ? 8 : 0); }
inline uint32_t value(uint32_t unit) { return unit & ~kIsValue; }

} // namespace double_array

/// A trie from byte strings to numbers below 2^31. Immutable.
class DoubleArray {
public:
  /// A trie without keys.
  DoubleArray() = default;

  /// Takes `units` over. Fails unless every step from every unit stays inside the array.
  static absl::StatusOr<DoubleArray> create(std::vector<uint32_t> units);

  bool empty() const { return units.empty(); }

  /// Calls `visit(length, value)` for each key that `text` begins with, the shortest first.
  template <typename Visit> void forEachPrefix(absl::string_view text, Visit visit) const {
    if (units.empty())
      return;
    uint32_t at = double_array::offset(units[0]);
    for (size_t i = 0; i < text.size(); ++i) {
      const auto byte = static_cast<unsigned char>(text[i]);
      at ^= byte;
      const uint32_t unit = units[at];
      if (double_array::label(unit) != byte)
        return;
      at ^= double_array::offset(unit);
      if (unit & double_array::kHasValue)
        visit(i + 1, double_array::value(units[at]));
    }
  }

  /// Whether a key begins with `text`, or is it.
  bool leadsOn(absl::string_view text) const {
    if (units.empty())
      return false;
    uint32_t at = double_array::offset(units[0]);
    for (char byte : text) {
      const uint32_t unit = units[at ^= static_cast<unsigned char>(byte)];
      if (double_array::label(unit) != static_cast<unsigned char>(byte))
        return false;
      at ^= double_array::offset(unit);
    }
    return true;
  }

  /// The length of the longest key that `text` begins with and its value; length 0 if there is none.
  struct Match {
    size_t length = 0; // bytes
    uint32_t value = 0;
  };
  Match longestPrefix(absl::string_view text) const {
    Match longest;
    forEachPrefix(text, [&](size_t length, uint32_t value) { longest = {length, value}; });
    return longest;
  }

  /// Whether `holds(value)` for every value.
  template <typename Predicate> bool allValues(Predicate holds) const {
    for (uint32_t i = 0; i < units.size(); ++i)
      if (!(units[i] & double_array::kIsValue) && (units[i] & double_array::kHasValue) &&
          !holds(double_array::value(units[i ^ double_array::offset(units[i])])))
        return false;
    return true;
  }

private:
  std::vector<uint32_t> units;
};

} // namespace llmc::text

#endif
