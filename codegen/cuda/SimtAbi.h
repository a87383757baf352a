//===- SimtAbi.h - what kernels that are simulated on the host and their simulator say to each other ---===//
//
// A simulated kernel is the kernel as lower-kernels leaves it, compiled for the host. What a GPU does beyond
// a processor's instructions it asks of the simulator (test/gpu/simulator), through the table `llmc_simt` of
// its image: each function takes cells of 64 bits, arguments first, and leaves results from the first cell
// on.
//
//===------------------------------------------------------------------------------------------------===//
#ifndef LLMC_CODEGEN_CUDA_SIMTABI_H
#define LLMC_CODEGEN_CUDA_SIMTABI_H

#include <cstdint>

namespace llmc::simt {

/// What kernels ask for.
enum Call : int64_t {
  ThreadX,   ///< -> index
  BlockX,    ///< -> index
  BlockY,    ///< -> index
  BlocksX,   ///< -> their number
  Shared,    ///< -> address of the block's shared memory
  Barrier,   ///< waits for all threads of the block
  Shuffle,   ///< value, lane offset -> the value of the lane whose number differs by it (exclusive or)
  Exp2,      ///< value -> 2^value
  MmaBf16,   ///< 4 words of A, 2 of B, 4 sums -> 4 sums of m16n8k16
  LdMatrix,  ///< address, number of matrices, whether they are transposed -> a word each
  CopyAsync, ///< target, source, bytes, of them those that the source has: done when it is waited for
  CommitGroup,
  WaitGroup,           ///< groups that may be on their way still
  WarpgroupBf16,       ///< N, whether B is transposed, 4 words of A, descriptor of B, N / 2 sums -> sums of
                       ///< m64nNk16
  WarpgroupBf16Shared, ///< N, 1 if A is transposed plus 2 if B is, their descriptors, N / 2 sums -> sums
  WarpgroupFence,
  WarpgroupCommit,
  WarpgroupWait,   ///< groups that may be on their way still
  FenceProxy,      ///< what this thread copied is seen by products of warpgroups from now on
  BarrierInit,     ///< address of a barrier in shared memory, threads that a phase expects
  BarrierArrive,   ///< address -> nothing that can be used
  BarrierExpect,   ///< address, bytes of copies that it expects too; arrives
  BarrierWait,     ///< address, parity of the phase whose end is waited for
  CopyBox,         ///< target, tensor map, column, row, barrier
  CopyBytes,       ///< target, source, bytes, barrier
  SyncWarp,        ///< waits for all lanes of the warp
  WaitForLaunches, ///< waits for the launches before this one
  CheckLoad,       ///< address, bytes, name of the place (text), what the address is a multiple of
  CheckStore,      ///< the same
  kCalls
};

/// A tensor map of the simulator, in the 128 bytes that one has.
struct TensorMap {
  uint64_t magic, address, rows, columns, rowBytes, boxRows, boxColumns;
  static constexpr uint64_t kMagic = 0x70616d726f736e65;
  static constexpr int64_t kBytes = 128;
};

/// Names in an image: of the table, of a kernel, which takes the addresses of its arguments, and of their
/// number and the bytes of each, int64_t's.
inline constexpr char kTable[] = "llmc_simt";
inline constexpr char kKernelPrefix[] = "llmc_kernel_";
inline constexpr char kArgumentsPrefix[] = "llmc_arguments_";

} // namespace llmc::simt

#endif // LLMC_CODEGEN_CUDA_SIMTABI_H
