//===- Linker.cpp - from an object to a shared object ---------------------------------------------------===//

#include "codegen/cpu/Linker.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lld/Common/Driver.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/InterfaceStub/ELFObjHandler.h"
#include "llvm/InterfaceStub/IFSStub.h"
#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

LLD_HAS_DRIVER(elf)

using namespace llvm;

namespace llmc::codegen {

namespace {

/// In the program that loads an artifact.
constexpr StringLiteral kHostFunctions[] = {"llmc_gpu_launch", "llmc_gpu_tensor_map", "llmc_region_next"};

/// A library that artifacts may need where they run, and what they may call in it.
struct Library {
  StringLiteral name;
  ArrayRef<StringLiteral> functions;
};
/// Angles of rotary tables, in f64; floor for processors without SSE4.1.
constexpr StringLiteral kMathFunctions[] = {"cos", "floorf", "sin", "sincos"};
/// LLVM makes calls of loops that copy or clear.
constexpr StringLiteral kMemoryFunctions[] = {"memcpy", "memmove", "memset"};
constexpr Library kLibraries[] = {{"libm.so.6", kMathFunctions}, {"libc.so.6", kMemoryFunctions}};

/// Refuses an object that calls what an artifact does not find where it runs. Nothing else would: a shared
/// object may be linked with symbols that nobody has, and is then refused when it is loaded.
absl::Status checkCalls(const object::ELFObjectFileBase &object) {
  std::vector<std::string> allowed(std::begin(kHostFunctions), std::end(kHostFunctions));
  for (const Library &library : kLibraries)
    allowed.insert(allowed.end(), library.functions.begin(), library.functions.end());
  std::vector<std::string> unknown;
  for (const object::ELFSymbolRef symbol : object.symbols()) {
    Expected<uint32_t> flags = symbol.getFlags();
    Expected<StringRef> name = symbol.getName();
    if (!flags || !name)
      return absl::InternalError(
          absl::StrCat("linking failed: ", toString(joinErrors(flags.takeError(), name.takeError()))));
    if ((*flags & object::SymbolRef::SF_Undefined) && !name->empty() && !is_contained(allowed, *name))
      unknown.push_back(name->str());
  }
  if (unknown.empty())
    return absl::OkStatus();
  return absl::UnimplementedError(absl::StrCat("the code calls ", absl::StrJoin(unknown, ", "),
                                               ", which no artifact finds where it runs: expected one of ",
                                               absl::StrJoin(allowed, ", ")));
}

/// The linker's files, which live as long as this.
class WorkFiles {
public:
  explicit WorkFiles(StringRef folder) : folder(folder) {}
  ~WorkFiles() {
    for (const std::string &path : paths)
      sys::fs::remove(path);
  }
  std::string add(StringRef name) {
    SmallString<128> path(folder);
    sys::path::append(path, name);
    return paths.emplace_back(path.str());
  }

private:
  const std::string folder;
  std::vector<std::string> paths;
};

absl::Status write(const std::string &path, const std::string &content) {
  std::error_code code;
  raw_fd_ostream out(path, code);
  out << content;
  out.close();
  if (!code && !out.has_error())
    return absl::OkStatus();
  std::string reason = code ? code.message() : out.error().message();
  out.clear_error();
  return absl::DataLossError(absl::StrCat(path, ": can not be written: ", reason));
}

/// Writes to `path` a library without code that has the functions of `library`, so that no system's libraries
/// are needed where artifacts are made.
absl::Status writeStub(const std::string &path, const Library &library,
                       const object::ELFObjectFileBase &object) {
  ifs::IFSStub stub;
  stub.SoName = library.name.str();
  stub.Target.Arch = object.getEMachine();
  stub.Target.BitWidth = ifs::IFSBitWidthType::IFS64;
  stub.Target.Endianness = ifs::IFSEndiannessType::Little;
  for (StringRef function : library.functions) {
    ifs::IFSSymbol symbol(function.str());
    symbol.Type = ifs::IFSSymbolType::Func;
    stub.Symbols.push_back(std::move(symbol));
  }
  if (Error error = ifs::writeBinaryStub(path, stub))
    return absl::DataLossError(absl::StrCat(path, ": can not be written: ", toString(std::move(error))));
  return absl::OkStatus();
}

} // namespace

absl::StatusOr<std::string> linkShared(const std::string &object, const std::string &workFolder) {
  Expected<std::unique_ptr<object::ObjectFile>> file =
      object::ObjectFile::createObjectFile(MemoryBufferRef(object, "code.o"));
  if (!file)
    return absl::InternalError(absl::StrCat("linking failed: ", toString(file.takeError())));
  auto *elf = dyn_cast<object::ELFObjectFileBase>(file->get());
  if (!elf)
    return absl::InternalError("linking failed: the object is no ELF file");
  if (absl::Status status = checkCalls(*elf); !status.ok())
    return status;

  WorkFiles files(workFolder);
  const std::string objectPath = files.add("code.o"), sharedPath = files.add("code.so");
  if (absl::Status status = write(objectPath, object); !status.ok())
    return status;
  std::vector<std::string> arguments = {"ld.lld",
                                        "-shared",
                                        "--no-undefined-version",
                                        "-z",
                                        "noexecstack",
                                        "--gc-sections",
                                        "--hash-style=gnu",
                                        "-o",
                                        sharedPath,
                                        objectPath,
                                        "--as-needed"};
  for (const Library &library : kLibraries) {
    arguments.push_back(files.add(library.name));
    if (absl::Status status = writeStub(arguments.back(), library, *elf); !status.ok())
      return status;
  }
  std::vector<const char *> pointers;
  for (const std::string &argument : arguments)
    pointers.push_back(argument.c_str());
  std::string messages;
  raw_string_ostream log(messages);
  lld::Result result = lld::lldMain(pointers, log, log, {{lld::Gnu, &lld::elf::link}});
  if (result.retCode != 0)
    return absl::InternalError(absl::StrCat("linking failed: ", messages));
  auto shared = MemoryBuffer::getFile(sharedPath, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!shared)
    return absl::InternalError(absl::StrCat(sharedPath, ": ", shared.getError().message()));
  return (*shared)->getBuffer().str();
}

} // namespace llmc::codegen
