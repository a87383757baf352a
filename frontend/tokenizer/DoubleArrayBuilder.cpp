//===- DoubleArrayBuilder.cpp - puts tokens into a trie -------------------===//
//
// Aoe, 1989, with offsets that are combined by exclusive or as in Darts-clone.
//
//===----------------------------------------------------------------------===//

#include "frontend/tokenizer/DoubleArrayBuilder.h"

#include <algorithm>
#include <deque>

#include "runtime/text/DoubleArray.h"

namespace llmc::tokenizer {

namespace {

using namespace text::double_array;

constexpr uint32_t kBlock = 256;
// The last blocks, which are looked through for room; those before are as full as they get.
constexpr uint32_t kOpenBlocks = 16;

class Builder {
public:
  explicit Builder(const std::vector<std::pair<std::string, uint32_t>> &keys) : keys(keys) {
    addBlock();
    take(0);
    // From there a zero byte would lead to the root.
    baseTaken[0] = true;
  }

  /// Places the nodes one level of the trie after the other.
  std::vector<uint32_t> build() && {
    open.push_back({0, static_cast<uint32_t>(keys.size()), 0, 0});
    while (!open.empty()) {
      Node node = open.front();
      open.pop_front();
      placeChildren(node);
    }
    return std::move(units);
  }

private:
  /// The keys [first, last) share their first `depth` bytes; their node is at `unit`.
  struct Node {
    uint32_t first, last;
    size_t depth;
    uint32_t unit;
  };

  void addBlock() {
    const auto begin = static_cast<uint32_t>(units.size());
    units.resize(begin + kBlock, kIsValue);
    taken.resize(units.size(), false);
    baseTaken.resize(units.size(), false);
    const uint32_t closed = begin < kOpenBlocks * kBlock ? 0 : begin + kBlock - kOpenBlocks * kBlock;
    std::erase_if(free, [&](uint32_t unit) { return taken[unit] || unit < closed; });
    takenSinceErased = 0;
    for (uint32_t unit = begin; unit < units.size(); ++unit)
      free.push_back(unit);
  }

  void take(uint32_t unit) {
    taken[unit] = true;
    if (++takenSinceErased * 2 > free.size()) {
      std::erase_if(free, [&](uint32_t other) { return taken[other]; });
      takenSinceErased = 0;
    }
  }

  /// An offset is the exclusive or of two positions; stored are 21 bits of it, or 21 of its upper bits.
  static bool canStore(uint32_t offset) {
    return offset < 1u << 21 || ((offset & 0xFF) == 0 && offset < 1u << 29);
  }

  bool fits(uint32_t base, uint32_t unit, const std::vector<unsigned char> &labels) const {
    return !baseTaken[base] && canStore(base ^ unit) &&
           std::none_of(labels.begin(), labels.end(), [&](unsigned char byte) { return taken[base ^ byte]; });
  }

  uint32_t findBase(uint32_t unit, const std::vector<unsigned char> &labels) {
    for (uint32_t first : free)
      if (const uint32_t base = first ^ labels.front(); !taken[first] && fits(base, unit, labels))
        return base;
    // In an empty block any place will do whose offset can be stored.
    const auto base = static_cast<uint32_t>(units.size());
    addBlock();
    return canStore(base ^ unit) ? base : base | (unit & 0xFF);
  }

  void placeChildren(const Node &node) {
    auto label = [&](uint32_t key) {
      return node.depth < keys[key].first.size() ? static_cast<unsigned char>(keys[key].first[node.depth])
                                                 : 0;
    };
    // A key that ends here comes first.
    const bool ends = keys[node.first].first.size() == node.depth;
    uint32_t first = node.first + (ends ? 1 : 0);
    std::vector<unsigned char> labels;
    if (ends)
      labels.push_back(0);
    for (uint32_t key = first; key < node.last; ++key)
      if (key == first || label(key) != label(key - 1))
        labels.push_back(label(key));
    const uint32_t base = findBase(node.unit, labels);
    baseTaken[base] = true;
    for (unsigned char byte : labels)
      take(base ^ byte);
    const uint32_t offset = base ^ node.unit;
    uint32_t &unit = units[node.unit];
    unit = (unit & 0xFF) | (offset < 1u << 21 ? offset << 10 : offset << 2 | kWideOffset);
    if (ends) {
      unit |= kHasValue;
      units[base] = kIsValue | keys[node.first].second;
    }
    while (first < node.last) {
      uint32_t end = first;
      while (end < node.last && label(end) == label(first))
        ++end;
      const uint32_t child = base ^ label(first);
      units[child] = label(first);
      open.push_back({first, end, node.depth + 1, child});
      first = end;
    }
  }

  const std::vector<std::pair<std::string, uint32_t>> &keys;
  std::vector<uint32_t> units;
  std::vector<bool> taken;     // by unit
  std::vector<bool> baseTaken; // two nodes must not share a base, or one would have the children of the other
  std::vector<uint32_t> free;  // units of open blocks, some of which have been taken since
  size_t takenSinceErased = 0;
  std::deque<Node> open;
};

} // namespace

std::vector<uint32_t> buildDoubleArray(std::vector<std::pair<std::string, uint32_t>> keys) {
  if (keys.empty())
    return {};
  std::sort(keys.begin(), keys.end());
  std::vector<std::pair<std::string, uint32_t>> distinct;
  for (auto &key : keys)
    if (!distinct.empty() && distinct.back().first == key.first)
      distinct.back().second = key.second;
    else
      distinct.push_back(std::move(key));
  return Builder(distinct).build();
}

} // namespace llmc::tokenizer
