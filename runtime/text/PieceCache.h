//===- PieceCache.h - the tokens of recent pieces -------------------------===//

#ifndef LLMC_TEXT_PIECE_CACHE_H
#define LLMC_TEXT_PIECE_CACHE_H

#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include <xxhash.h>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"

namespace llmc::text {

/// A direct-mapped cache from short pieces of text to their tokens. Thread-safe: a thread that finds another
/// one at the same part of the cache goes without.
class PieceCache {
public:
  /// Appends the tokens of `piece` if they are known.
  bool find(absl::string_view piece, std::vector<int32_t> &ids) {
    if (piece.size() > kMaxBytes)
      return false;
    uint64_t hash = hashOf(piece);
    Shard &shard = shards[hash % kShards];
    if (!shard.mutex.TryLock())
      return false;
    const Slot &slot = slotOf(shard, hash);
    bool hit = slot.count != 0 && slot.length == piece.size() &&
               std::memcmp(slot.text, piece.data(), piece.size()) == 0;
    if (hit)
      ids.insert(ids.end(), slot.ids, slot.ids + slot.count);
    shard.mutex.Unlock();
    return hit;
  }

  /// Remembers the tokens of `piece` if both are short.
  void insert(absl::string_view piece, const int32_t *ids, size_t count) {
    if (piece.size() > kMaxBytes || count == 0 || count > kMaxTokens)
      return;
    uint64_t hash = hashOf(piece);
    Shard &shard = shards[hash % kShards];
    if (!shard.mutex.TryLock())
      return;
    Slot &slot = slotOf(shard, hash);
    slot.length = static_cast<uint8_t>(piece.size());
    slot.count = static_cast<uint8_t>(count);
    std::memcpy(slot.text, piece.data(), piece.size());
    std::memcpy(slot.ids, ids, count * sizeof(int32_t));
    shard.mutex.Unlock();
  }

private:
  static constexpr size_t kMaxBytes = 30;
  static constexpr size_t kMaxTokens = 8;
  static constexpr size_t kShards = 16;
  static constexpr size_t kSlotsPerShard = 1024;

  // One cache line.
  struct Slot {
    uint8_t length;
    uint8_t count; // 0: free
    char text[kMaxBytes];
    int32_t ids[kMaxTokens];
  };
  static_assert(sizeof(Slot) == 64);

  struct Shard {
    absl::Mutex mutex;
    // Zeroed by the system at first touch, so that an unused cache costs nothing.
    std::unique_ptr<Slot[], void (*)(void *)> slots ABSL_GUARDED_BY(mutex){
        static_cast<Slot *>(std::calloc(kSlotsPerShard, sizeof(Slot))), std::free};
  };

  static uint64_t hashOf(absl::string_view piece) { return XXH3_64bits(piece.data(), piece.size()); }
  static Slot &slotOf(Shard &shard, uint64_t hash) ABSL_EXCLUSIVE_LOCKS_REQUIRED(shard.mutex) {
    return shard.slots[(hash / kShards) % kSlotsPerShard];
  }

  std::array<Shard, kShards> shards;
};

} // namespace llmc::text

#endif
