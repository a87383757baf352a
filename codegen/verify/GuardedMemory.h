//===- GuardedMemory.h - memory that is told apart from what lies behind it ----------------------------===//
#ifndef LLMC_CODEGEN_VERIFY_GUARDEDMEMORY_H
#define LLMC_CODEGEN_VERIFY_GUARDEDMEMORY_H

#include <cstddef>
#include <cstdint>

namespace llmc::codegen {

/// Memory that ends where no access is allowed, and is full of NaN at first.
class GuardedMemory {
public:
  explicit GuardedMemory(size_t bytes);
  ~GuardedMemory();
  GuardedMemory(const GuardedMemory &) = delete;
  GuardedMemory &operator=(const GuardedMemory &) = delete;

  template <typename T = uint8_t> T *as() const { return reinterpret_cast<T *>(start); }
  size_t size() const { return bytes; }
  /// Sets all bytes to 0xff, which is NaN in every floating-point format.
  void spoil();
  /// Whether the bytes between the end and the guard are as spoil() left them.
  bool isIntactBehindEnd() const;

private:
  uint8_t *mapping, *start;
  size_t mapped, bytes;
};

} // namespace llmc::codegen

#endif // LLMC_CODEGEN_VERIFY_GUARDEDMEMORY_H
