#include "runtime/cuda/Program.h"

#include "absl/cleanup/cleanup.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"

#include <algorithm>
#include <cstring>

namespace llmc::runtime::cuda {

//===--------------------------------------------------------------------===//
// Memory
//===--------------------------------------------------------------------===//

absl::StatusOr<DeviceMemory> DeviceMemory::allocate(const Driver &driver, uint64_t bytes,
                                                    absl::string_view purpose) {
  DeviceMemory memory;
  if (bytes == 0)
    return memory;
  absl::Status status = driver.check(driver.MemAlloc(&memory.address, bytes),
                                     absl::StrCat("allocating ", bytes >> 20, " MiB for ", purpose));
  if (!status.ok())
    return status;
  memory.driver = &driver;
  return memory;
}

DeviceMemory &DeviceMemory::operator=(DeviceMemory &&other) noexcept {
  std::swap(driver, other.driver);
  std::swap(address, other.address);
  return *this;
}

DeviceMemory::~DeviceMemory() {
  if (driver != nullptr)
    driver->MemFree(address);
}

absl::StatusOr<PinnedMemory> PinnedMemory::allocate(const Driver &driver, uint64_t bytes,
                                                    absl::string_view purpose) {
  PinnedMemory memory;
  void *start = nullptr;
  absl::Status status =
      driver.check(driver.MemHostAlloc(&start, bytes, 0),
                   absl::StrCat("allocating ", bytes >> 10, " KiB of the host for ", purpose));
  if (!status.ok())
    return status;
  memory.driver = &driver;
  memory.start = static_cast<uint8_t *>(start);
  memory.length = bytes;
  return memory;
}

PinnedMemory &PinnedMemory::operator=(PinnedMemory &&other) noexcept {
  std::swap(driver, other.driver);
  std::swap(start, other.start);
  std::swap(length, other.length);
  return *this;
}

PinnedMemory::~PinnedMemory() {
  if (driver != nullptr)
    driver->MemFreeHost(start);
}

//===--------------------------------------------------------------------===//
// Program
//===--------------------------------------------------------------------===//

absl::StatusOr<std::unique_ptr<Program>>
Program::load(const Gpu &gpu, absl::Span<const uint8_t> weights,
              absl::FunctionRef<const void *(const std::string &)> findImage) {
  std::unique_ptr<Program> program(new Program);
  absl::StatusOr<const Driver *> driver = Driver::get();
  if (!driver.ok())
    return driver.status();
  program->cuda = *driver;
  absl::Status status = program->openDevice();
  if (status.ok())
    status = program->loadKernels(gpu, findImage);
  if (status.ok())
    status = program->upload(weights);
  if (!status.ok())
    return status;
  return program;
}

Program::~Program() {
  if (context == nullptr)
    return;
  parameters = DeviceMemory();
  if (module != nullptr)
    cuda->ModuleUnload(module);
  cuda->DevicePrimaryCtxRelease(device);
}

absl::Status Program::openDevice() {
  if (absl::Status status = cuda->check(cuda->DeviceGet(&device, 0), "finding the first device");
      !status.ok())
    return status;
  char text[256] = {};
  int major = 0, minor = 0;
  cuda->DeviceGetName(text, sizeof(text) - 1, device);
  cuda->DeviceGetAttribute(&major, static_cast<int>(DeviceAttribute::ComputeCapabilityMajor), device);
  cuda->DeviceGetAttribute(&minor, static_cast<int>(DeviceAttribute::ComputeCapabilityMinor), device);
  if (absl::Status status =
          cuda->check(cuda->DeviceGetAttribute(
                          &processors, static_cast<int>(DeviceAttribute::MultiprocessorCount), device),
                      "counting multiprocessors");
      !status.ok())
    return status;
  name = text;
  capability = major * 10 + minor;
  Context retained = nullptr;
  if (absl::Status status =
          cuda->check(cuda->DevicePrimaryCtxRetain(&retained, device), "opening the device");
      !status.ok())
    return status;
  context = retained;
  return use();
}

/// The number in "sm_90" or "sm_90a"; 0 for others.
static int capabilityOf(absl::string_view arch) {
  int number = 0;
  absl::ConsumeSuffix(&arch, "a");
  return absl::ConsumePrefix(&arch, "sm_") && absl::SimpleAtoi(arch, &number) ? number : 0;
}

absl::Status Program::loadKernels(const Gpu &gpu,
                                  absl::FunctionRef<const void *(const std::string &)> findImage) {
  // Machine code runs on devices of the same first digits and an equal or later last one; text on all later
  // ones. What uses all that an architecture has ("sm_90a") runs there alone.
  auto suits = [&](const GpuImage &image) {
    const int made = capabilityOf(image.arch());
    if (image.kind() != GpuImage::HOST && absl::EndsWith(image.arch(), "a"))
      return made == capability;
    return image.kind() == GpuImage::CUBIN ? made / 10 == capability / 10 && made <= capability
           : image.kind() == GpuImage::PTX ? made <= capability
                                           : capability == 0;
  };
  const GpuImage *best = nullptr;
  for (const GpuImage &image : gpu.images())
    if (suits(image) &&
        (best == nullptr || (image.kind() == GpuImage::CUBIN) > (best->kind() == GpuImage::CUBIN) ||
         (image.kind() == best->kind() && capabilityOf(image.arch()) > capabilityOf(best->arch()))))
      best = &image;
  if (best == nullptr)
    return absl::FailedPreconditionError(absl::StrCat(
        "the artifact has kernels for ",
        absl::StrJoin(gpu.images(), ", ",
                      [](std::string *out, const GpuImage &image) { absl::StrAppend(out, image.arch()); }),
        ", but the GPU is ", name, " (sm_", capability, ")"));
  overlaps = best->waits_for_launches();
  const void *contents = findImage(best->symbol());
  if (contents == nullptr)
    return absl::DataLossError(absl::StrCat("code has no symbol '", best->symbol(), "'"));
  if (absl::Status status = cuda->check(cuda->ModuleLoadData(&module, contents),
                                        absl::StrCat("loading the kernels for ", best->arch()));
      !status.ok())
    return status;
  const absl::flat_hash_set<std::string> leftOut(best->left_out().begin(), best->left_out().end());
  names.assign(gpu.kernels().begin(), gpu.kernels().end());
  for (const std::string &kernel : names) {
    Function function = nullptr;
    if (leftOut.contains(kernel)) {
      functions.push_back(function);
      continue;
    }
    if (absl::Status status = cuda->check(cuda->ModuleGetFunction(&function, module, kernel.c_str()),
                                          absl::StrCat("finding kernel '", kernel, "'"));
        !status.ok())
      return status;
    // Where multiprocessors divided their memory in different ways, kernels would not overlap.
    constexpr int kPercent = 100;
    if (overlaps)
      cuda->FuncSetAttribute(function, static_cast<int>(FunctionAttribute::PreferredSharedCarveout),
                             kPercent);
    functions.push_back(function);
  }
  return absl::OkStatus();
}

absl::Status Program::upload(absl::Span<const uint8_t> weights) {
  absl::StatusOr<DeviceMemory> memory = DeviceMemory::allocate(*cuda, weights.size(), "weights");
  if (!memory.ok())
    return memory.status();
  parameters = *std::move(memory);
  // Two pieces of pinned memory: one is filled from the file while the other is copied.
  constexpr uint64_t kPiece = uint64_t{16} << 20;
  PinnedMemory pieces[2];
  for (PinnedMemory &piece : pieces) {
    absl::StatusOr<PinnedMemory> pinned = PinnedMemory::allocate(
        *cuda, std::min<uint64_t>(kPiece, std::max<uint64_t>(weights.size(), 1)), "loading");
    if (!pinned.ok())
      return pinned.status();
    piece = *std::move(pinned);
  }
  Stream streams[2] = {};
  absl::Cleanup destroy = [&] {
    for (Stream stream : streams)
      if (stream != nullptr)
        cuda->StreamDestroy(stream);
  };
  for (Stream &stream : streams)
    if (absl::Status status = cuda->check(cuda->StreamCreate(&stream, 1), "making a stream"); !status.ok())
      return status;
  Result result = 0;
  for (uint64_t done = 0, turn = 0; done < weights.size() && result == 0; turn ^= 1) {
    const uint64_t bytes = std::min<uint64_t>(kPiece, weights.size() - done);
    result = cuda->StreamSynchronize(streams[turn]);
    std::memcpy(pieces[turn].data(), weights.data() + done, bytes);
    if (result == 0)
      result = cuda->MemcpyHtoDAsync(parameters.pointer() + done, pieces[turn].data(), bytes, streams[turn]);
    done += bytes;
  }
  for (Stream stream : streams)
    if (result == 0)
      result = cuda->StreamSynchronize(stream);
  return cuda->check(result, "copying weights to the device");
}

//===--------------------------------------------------------------------===//
// Queue
//===--------------------------------------------------------------------===//

absl::StatusOr<std::unique_ptr<Queue>> Queue::create(const Program &program) {
  std::unique_ptr<Queue> queue(new Queue(program));
  constexpr unsigned kNonBlocking = 1;
  if (absl::Status status = program.driver().check(program.driver().StreamCreate(&queue->order, kNonBlocking),
                                                   "making a stream");
      !status.ok())
    return status;
  return queue;
}

Queue::~Queue() {
  for (const Timed &launch : timed)
    destroyEvents(launch);
  if (order != nullptr)
    owner.driver().StreamDestroy(order);
}

void Queue::note(Result result, absl::string_view doing) {
  if (result != 0 && failure.ok())
    failure = owner.driver().check(result, doing);
}

absl::Status Queue::takeStatus() { return std::exchange(failure, absl::OkStatus()); }

void Queue::launch(int64_t kernel, int64_t blocksX, int64_t blocksY, int64_t threads, int64_t sharedBytes,
                   bool isPersistent, void **arguments) {
  const Function function = owner.kernels()[kernel];
  if (isPersistent)
    blocksX = std::min(blocksX, owner.multiprocessors());
  if (function == nullptr || blocksX == 0 || blocksY == 0 || !failure.ok())
    return;
  constexpr int64_t kSharedWithoutAsking = 48 << 10;
  if (sharedBytes > kSharedWithoutAsking)
    note(owner.driver().FuncSetAttribute(function, static_cast<int>(FunctionAttribute::MaxDynamicSharedBytes),
                                         static_cast<int>(sharedBytes)),
         "asking for shared memory");
  const Event before = profiles ? recordEvent() : nullptr;
  const LaunchAttribute overlaps{kProgrammaticSerialization, 1, {}};
  const LaunchConfig config{static_cast<unsigned>(blocksX),
                            static_cast<unsigned>(blocksY),
                            1,
                            static_cast<unsigned>(threads),
                            1,
                            1,
                            static_cast<unsigned>(sharedBytes),
                            order,
                            &overlaps,
                            owner.overlapsLaunches() ? 1u : 0u};
  note(owner.driver().LaunchKernelEx(&config, function, arguments, nullptr), "launching a kernel");
  if (profiles)
    timed.push_back({kernel, before, recordEvent()});
}

Event Queue::recordEvent() {
  Event event = nullptr;
  note(owner.driver().EventCreate(&event, 0), "making an event");
  if (event != nullptr)
    note(owner.driver().EventRecord(event, order), "recording an event");
  return event;
}

absl::StatusOr<std::vector<KernelTime>> Queue::takeProfile() {
  const Driver &driver = owner.driver();
  note(driver.StreamSynchronize(order), "running kernels");
  absl::flat_hash_map<int64_t, KernelTime> times;
  for (const Timed &launch : std::exchange(timed, {})) {
    float milliseconds = 0;
    if (failure.ok())
      note(driver.EventElapsedTime(&milliseconds, launch.before, launch.after),
           "taking the time of a kernel");
    destroyEvents(launch);
    KernelTime &time = times[launch.kernel];
    time.kernel = owner.kernelNames()[launch.kernel];
    ++time.launches;
    time.seconds += milliseconds / 1e3;
  }
  if (absl::Status status = takeStatus(); !status.ok())
    return status;
  std::vector<KernelTime> all;
  for (auto &[kernel, time] : times)
    all.push_back(std::move(time));
  return all;
}

void Queue::destroyEvents(const Timed &launch) {
  for (Event event : {launch.before, launch.after})
    if (event != nullptr)
      owner.driver().EventDestroy(event);
}

void addTimes(const std::vector<KernelTime> &more, std::vector<KernelTime> &times) {
  for (const KernelTime &time : more) {
    auto same = std::find_if(times.begin(), times.end(),
                             [&](const KernelTime &other) { return other.kernel == time.kernel; });
    if (same == times.end()) {
      times.push_back(time);
    } else {
      same->launches += time.launches;
      same->seconds += time.seconds;
    }
  }
  std::sort(times.begin(), times.end(), [](const KernelTime &x, const KernelTime &y) {
    return x.seconds != y.seconds ? x.seconds > y.seconds : x.kernel < y.kernel;
  });
}

void Queue::makeTensorMap(int64_t kernel, void *map, void *matrix, int64_t rows, int64_t columns,
                          int64_t rowBytes, int64_t boxRows) {
  if (owner.kernels()[kernel] == nullptr)
    return;
  constexpr int kBf16 = 9, kNoInterleave = 0, kSwizzle128 = 3, kPromoteTo256 = 3, kZerosOutside = 0;
  constexpr unsigned kRank = 2, kBoxColumns = 64;
  const uint64_t sizes[kRank] = {static_cast<uint64_t>(columns), static_cast<uint64_t>(rows)},
                 strides[kRank - 1] = {static_cast<uint64_t>(rowBytes)};
  const unsigned box[kRank] = {kBoxColumns, static_cast<unsigned>(boxRows)}, steps[kRank] = {1, 1};
  note(owner.driver().TensorMapEncodeTiled(map, kBf16, kRank, matrix, sizes, strides, box, steps,
                                           kNoInterleave, kSwizzle128, kPromoteTo256, kZerosOutside),
       "making a tensor map");
}

} // namespace llmc::runtime::cuda

extern "C" void llmc_gpu_launch(LlmcWorker *worker, int64_t kernel, int64_t blocks_x, int64_t blocks_y,
                                int64_t threads, int64_t shared_bytes, int64_t is_persistent,
                                void **arguments) {
  reinterpret_cast<llmc::runtime::cuda::Queue *>(worker)->launch(kernel, blocks_x, blocks_y, threads,
                                                                 shared_bytes, is_persistent != 0, arguments);
}

extern "C" void llmc_gpu_tensor_map(LlmcWorker *worker, int64_t kernel, void *map, void *matrix, int64_t rows,
                                    int64_t columns, int64_t row_bytes, int64_t box_rows) {
  reinterpret_cast<llmc::runtime::cuda::Queue *>(worker)->makeTensorMap(kernel, map, matrix, rows, columns,
                                                                        row_bytes, box_rows);
}
