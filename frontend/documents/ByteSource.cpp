#include "frontend/documents/ByteSource.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <vector>
#include <zlib.h>
#include <zstd.h>

namespace llmc::documents {

namespace {

constexpr size_t kBufferBytes = 128 * 1024;

/// A file that is open for reading.
class Descriptor {
public:
  static absl::StatusOr<Descriptor> open(const std::string &path) {
    Descriptor file(path, ::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat status;
    if (file.number < 0 || fstat(file.number, &status) != 0)
      return absl::NotFoundError(absl::StrCat(path, ": cannot open: ", strerror(errno)));
    if (S_ISDIR(status.st_mode))
      return absl::InvalidArgumentError(absl::StrCat(path, ": is a folder, expected a file"));
    return file;
  }
  Descriptor(Descriptor &&other) noexcept : path(other.path), number(other.release()) {}
  Descriptor(const Descriptor &) = delete;
  ~Descriptor() {
    if (number >= 0)
      close(number);
  }

  int release() { return std::exchange(number, -1); }

  absl::StatusOr<size_t> read(absl::Span<char> buffer) const {
    ssize_t count;
    do
      count = ::read(number, buffer.data(), buffer.size());
    while (count < 0 && errno == EINTR);
    if (count < 0)
      return absl::DataLossError(absl::StrCat(path, ": cannot be read: ", strerror(errno)));
    return static_cast<size_t>(count);
  }

  const std::string path;

private:
  Descriptor(const std::string &path, int number) : path(path), number(number) {}

  int number;
};

absl::Status damaged(const std::string &path, absl::string_view format, absl::string_view why) {
  return absl::DataLossError(absl::StrCat(path, ": is damaged, expected ", format, ": ", why));
}

absl::Status cutShort(const std::string &path, absl::string_view format) {
  return absl::DataLossError(absl::StrCat(path, ": is cut short: it ends before its ", format, " data do"));
}

class PlainFile : public ByteSource {
public:
  explicit PlainFile(Descriptor file) : file(std::move(file)) {}
  absl::StatusOr<size_t> read(absl::Span<char> buffer) override { return file.read(buffer); }

private:
  Descriptor file;
};

class GzipFile : public ByteSource {
public:
  static absl::StatusOr<std::unique_ptr<ByteSource>> open(Descriptor descriptor) {
    auto opened = std::make_unique<GzipFile>(descriptor.path, gzdopen(descriptor.release(), "rb"));
    if (!opened->file)
      return absl::ResourceExhaustedError(absl::StrCat(opened->path, ": there is no memory to read it"));
    gzbuffer(opened->file.get(), kBufferBytes);
    // zlib would hand out other data as they are.
    if (gzdirect(opened->file.get()))
      return absl::DataLossError(absl::StrCat(opened->path, ": is not compressed by gzip, as its name says"));
    return opened;
  }
  GzipFile(const std::string &path, gzFile file) : path(path), file(file, gzclose) {}

  absl::StatusOr<size_t> read(absl::Span<char> buffer) override {
    const int count = gzread(file.get(), buffer.data(), static_cast<unsigned>(buffer.size()));
    int code = Z_OK;
    const char *why = gzerror(file.get(), &code);
    if (code == Z_BUF_ERROR)
      return cutShort(path, "gzip");
    if (code == Z_ERRNO)
      return absl::DataLossError(absl::StrCat(path, ": cannot be read: ", strerror(errno)));
    if (count < 0)
      return damaged(path, "gzip", absl::StripPrefix(why, "<fd>: "));
    return static_cast<size_t>(count);
  }

private:
  std::string path;
  std::unique_ptr<gzFile_s, int (*)(gzFile)> file;
};

class ZstdFile : public ByteSource {
public:
  explicit ZstdFile(Descriptor file) : file(std::move(file)), buffer(kBufferBytes) {}

  absl::StatusOr<size_t> read(absl::Span<char> bytes) override {
    ZSTD_outBuffer output = {bytes.data(), bytes.size(), 0};
    while (output.pos == 0) {
      if (input.pos == input.size && !ended) {
        absl::StatusOr<size_t> count = file.read(absl::MakeSpan(buffer));
        if (!count.ok())
          return count.status();
        input = {buffer.data(), *count, 0};
        ended = *count == 0;
      }
      if (ended && frameLeft == 0)
        return 0;
      // Without input: what the decoder holds back.
      frameLeft = ZSTD_decompressStream(decoder.get(), &output, &input);
      if (ZSTD_isError(frameLeft))
        return damaged(file.path, "zstd", ZSTD_getErrorName(frameLeft));
      if (ended && output.pos == 0)
        return cutShort(file.path, "zstd");
    }
    return output.pos;
  }

private:
  Descriptor file;
  std::unique_ptr<ZSTD_DStream, size_t (*)(ZSTD_DStream *)> decoder{ZSTD_createDStream(), ZSTD_freeDStream};
  std::vector<char> buffer;
  ZSTD_inBuffer input = {nullptr, 0, 0};
  size_t frameLeft = 1; ///< 0 where a frame was read to its end
  bool ended = false;   ///< the file, not the decoder
};

} // namespace

absl::StatusOr<std::unique_ptr<ByteSource>> ByteSource::open(const std::string &path) {
  absl::StatusOr<Descriptor> file = Descriptor::open(path);
  if (!file.ok())
    return file.status();
  if (absl::EndsWith(path, ".gz"))
    return GzipFile::open(*std::move(file));
  if (absl::EndsWith(path, ".zst"))
    return std::make_unique<ZstdFile>(*std::move(file));
  return std::make_unique<PlainFile>(*std::move(file));
}

absl::string_view withoutCompression(absl::string_view path) {
  return absl::StripSuffix(absl::StripSuffix(path, ".gz"), ".zst");
}

} // namespace llmc::documents
