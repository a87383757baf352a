//===- HuggingFaceExport.cpp - a model as a Hugging Face directory ------------------------------------===//

#include "frontend/export/HuggingFaceExport.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "frontend/export/TensorContents.h"
#include "frontend/import/ConfigJson.h"
#include "frontend/import/Formats.h"
#include "frontend/json/Object.h"
#include "frontend/safetensors/Checkpoint.h"
#include "frontend/safetensors/Writer.h"
#include "frontend/tokenizer/TokenizerJsonWriter.h"
#include "runtime/io/Message.h"

#include <filesystem>
#include <nlohmann/json.hpp>

using namespace llmc;
using namespace llmc::frontend;
using blocks::StorageFormat;
using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

namespace {

/// A directory whose files appear all at once, when all are complete.
class NewDirectory {
public:
  static absl::StatusOr<NewDirectory> create(const std::string &path) {
    std::error_code error;
    const bool exists = fs::exists(path, error);
    if (exists && (!fs::is_directory(path, error) || !fs::is_empty(path, error)))
      return absl::AlreadyExistsError(
          absl::StrCat(path, ": is there already, expected the name of a new directory"));
    NewDirectory directory;
    directory.path = path;
    if (!exists)
      if (absl::Status status = directory.makeFolder(path); !status.ok())
        return status;
    return directory;
  }
  NewDirectory(NewDirectory &&) = default;
  ~NewDirectory() { discard(); }

  /// Begins the file `name`, which may lie in a folder of the directory.
  absl::StatusOr<io::AtomicFile *> add(const std::string &name) {
    const fs::path place = fs::path(path) / name;
    std::error_code error;
    if (!fs::exists(place.parent_path(), error))
      if (absl::Status status = makeFolder(place.parent_path()); !status.ok())
        return status;
    absl::StatusOr<io::AtomicFile> file = io::AtomicFile::create(place.string());
    if (!file.ok())
      return file.status();
    files.push_back(std::make_unique<io::AtomicFile>(*std::move(file)));
    return files.back().get();
  }
  absl::Status addText(const std::string &name, absl::string_view text) {
    absl::StatusOr<io::AtomicFile *> file = add(name);
    return file.ok() ? (*file)->append(text) : file.status();
  }

  /// Gives all files their names. Returns their bytes.
  absl::StatusOr<uint64_t> commit() {
    uint64_t bytes = 0;
    for (const std::unique_ptr<io::AtomicFile> &file : files) {
      bytes += file->offset();
      const std::string name = file->path();
      if (absl::Status status = file->commit(); !status.ok())
        return status;
      committed.push_back(name);
    }
    files.clear();
    committed.clear();
    folders.clear();
    return bytes;
  }

private:
  NewDirectory() = default;

  absl::Status makeFolder(const fs::path &folder) {
    std::error_code error;
    if (!fs::create_directory(folder, error))
      return absl::UnknownError(
          absl::StrCat(folder.string(), ": ", error ? error.message() : "cannot be made a directory"));
    folders.push_back(folder.string());
    return absl::OkStatus();
  }
  void discard() {
    std::error_code ignored;
    files.clear();
    for (const std::string &file : committed)
      fs::remove(file, ignored);
    for (auto folder = folders.rbegin(); folder != folders.rend(); ++folder)
      fs::remove(*folder, ignored);
  }

  std::string path;
  std::vector<std::unique_ptr<io::AtomicFile>> files;
  std::vector<std::string> committed, folders;
};

const char *torchTypeOf(StorageFormat format) {
  return format == StorageFormat::F16 ? "float16" : format == StorageFormat::BF16 ? "bfloat16" : "float32";
}

//===----------------------------------------------------------------------===//
// From a Hugging Face directory
//===----------------------------------------------------------------------===//

/// Whether `file` of a directory says something of the model and holds none of its weights.
bool isCopied(const fs::path &file) {
  const std::string name = file.filename().string();
  if (name == "config.json" || absl::EndsWith(name, ".index.json"))
    return false;
  for (const char *end : {".json", ".txt", ".model", ".jinja", ".md"})
    if (absl::EndsWith(name, end))
      return true;
  return absl::StartsWith(name, "LICENSE") || absl::StartsWith(name, "NOTICE");
}

absl::Status copyFiles(const std::string &source, NewDirectory &target) {
  std::error_code error;
  fs::recursive_directory_iterator files(source, error), end;
  for (; !error && files != end; files.increment(error)) {
    if (files->is_directory() && absl::StartsWith(files->path().filename().string(), "."))
      files.disable_recursion_pending();
    if (!files->is_regular_file() || !isCopied(files->path()))
      continue;
    absl::StatusOr<io::AtomicFile *> file = target.add(fs::relative(files->path(), source).string());
    if (!file.ok())
      return file.status();
    if (absl::Status status = (*file)->appendFile(files->path().string(), 0, files->file_size());
        !status.ok())
      return status;
  }
  return error ? absl::UnknownError(absl::StrCat(source, ": ", error.message())) : absl::OkStatus();
}

absl::Status copyConfig(const std::string &source, std::optional<StorageFormat> format,
                        NewDirectory &target) {
  absl::StatusOr<json::Object> config = json::Object::readFile(source + "/config.json");
  if (!config.ok())
    return config.status();
  nlohmann::json changed = config->value();
  if (format) {
    // `dtype` since transformers 5.
    changed[changed.contains("dtype") ? "dtype" : "torch_dtype"] = torchTypeOf(*format);
  }
  return target.addText("config.json", changed.dump(2) + "\n");
}

/// Every tensor of a directory, those that no graph uses too.
absl::StatusOr<int64_t> copyTensors(const std::string &source, std::optional<StorageFormat> format,
                                    NewDirectory &target, ExportProgress progress) {
  absl::StatusOr<safetensors::Checkpoint> shards = safetensors::Checkpoint::open(source);
  absl::StatusOr<std::unique_ptr<Checkpoint>> checkpoint = openCheckpoint(source);
  if (!shards.ok() || !checkpoint.ok())
    return shards.ok() ? checkpoint.status() : shards.status();
  std::vector<safetensors::TensorHeader> headers;
  for (const safetensors::Located &located : shards->tensors()) {
    const safetensors::Tensor &tensor = *located.tensor;
    const bool changes = format && tensor.weightFormat().ok();
    headers.push_back(
        {tensor.name,
         changes ? std::string(blocks::nameOf(*format)) : std::string(safetensors::nameOf(tensor.type)),
         {tensor.shape.begin(), tensor.shape.end()},
         changes ? static_cast<uint64_t>(blocks::bytesOf(*format, tensor.elements())) : tensor.bytes.size()});
  }
  absl::StatusOr<io::AtomicFile *> file = target.add("model.safetensors");
  if (!file.ok())
    return file.status();
  (void)(*file)->append(safetensors::headerOf(headers));
  for (const auto &[index, located] : llvm::enumerate(shards->tensors())) {
    progress(static_cast<int64_t>(index), static_cast<int64_t>(headers.size()));
    const safetensors::Tensor &tensor = *located.tensor;
    absl::Status status;
    if (format && tensor.weightFormat().ok()) {
      absl::StatusOr<TensorContents> contents =
          TensorContents::create(**checkpoint, {.huggingFace = tensor.name, .gguf = ""}, Format::HuggingFace);
      status = contents.ok() ? contents->append(*format, **file) : contents.status();
    } else {
      status = (*file)->append(tensor.bytes);
    }
    if (!status.ok())
      return status;
  }
  return static_cast<int64_t>(headers.size());
}

//===----------------------------------------------------------------------===//
// From a GGUF file
//===----------------------------------------------------------------------===//

Json generationConfigOf(const SamplingDefaults &sampling, const text::TokenizerModel &tokenizer) {
  Json config = Json::object();
  if (tokenizer.has_bos_id())
    config["bos_token_id"] = tokenizer.bos_id();
  if (tokenizer.stop_ids_size() > 0)
    config["eos_token_id"] = std::vector<uint32_t>(tokenizer.stop_ids().begin(), tokenizer.stop_ids().end());
  if (tokenizer.has_pad_id())
    config["pad_token_id"] = tokenizer.pad_id();
  auto number = [&](const char *name, std::optional<double> value) {
    if (value)
      config[name] = shortestDecimal(*value);
  };
  const bool isGreedy = sampling.sample == false || sampling.temperature == 0.0;
  if (sampling.sample || sampling.temperature)
    config["do_sample"] = !isGreedy;
  if (isGreedy)
    return config;
  number("temperature", sampling.temperature);
  number("top_p", sampling.topP);
  number("min_p", sampling.minP);
  number("repetition_penalty", sampling.repetitionPenalty);
  if (sampling.topK)
    config["top_k"] = *sampling.topK;
  return config;
}

/// Without a choice: what matrices have, if all have the same, and vectors lose nothing by it; else F32.
absl::StatusOr<StorageFormat> chooseFormat(ImportedModel &model) {
  std::optional<StorageFormat> common;
  for (bool vectors : {false, true})
    for (const NamedTensor &name : model.description.tensors) {
      const StoredTensor &stored = *model.source->find(name.gguf);
      if ((stored.shape.size() == 1) != vectors)
        continue;
      if (!vectors && (blocks::traitsOf(*stored.format).isQuantized() ||
                       common.value_or(*stored.format) != *stored.format))
        return StorageFormat::F32;
      if (!vectors) {
        common = stored.format;
        continue;
      }
      absl::StatusOr<TensorContents> contents =
          TensorContents::create(*model.source, name, Format::HuggingFace);
      if (!contents.ok())
        return contents.status();
      if (!contents->fits(common.value_or(StorageFormat::F32)))
        return StorageFormat::F32;
    }
  return common.value_or(StorageFormat::F32);
}

absl::StatusOr<int64_t> writeTensors(ImportedModel &model, StorageFormat format, NewDirectory &target,
                                     ExportProgress progress) {
  const std::vector<NamedTensor> &names = model.description.tensors;
  const auto total = static_cast<int64_t>(names.size());
  auto contentsOf = [&](const NamedTensor &name) {
    return TensorContents::create(*model.source, name, Format::HuggingFace);
  };
  std::vector<safetensors::TensorHeader> headers;
  for (const NamedTensor &name : names) {
    // Sizes alone: contents of transposed matrices are made when they are written.
    std::vector<int64_t> shape(model.source->find(name.gguf)->shape.begin(),
                               model.source->find(name.gguf)->shape.end());
    if (name.form == NamedTensor::Form::Transposed)
      std::swap(shape[0], shape[1]);
    if (name.experts > 0)
      shape[0] /= name.experts;
    int64_t elements = 1;
    for (int64_t size : shape)
      elements *= size;
    headers.push_back({name.huggingFace, std::string(blocks::nameOf(format)), std::move(shape),
                       static_cast<uint64_t>(blocks::bytesOf(format, elements))});
  }
  absl::StatusOr<io::AtomicFile *> file = target.add("model.safetensors");
  if (!file.ok())
    return file.status();
  (void)(*file)->append(safetensors::headerOf(headers));
  for (const auto &[index, name] : llvm::enumerate(names)) {
    progress(static_cast<int64_t>(index), total);
    absl::StatusOr<TensorContents> contents = contentsOf(name);
    if (!contents.ok())
      return contents.status();
    if (absl::Status status = contents->append(format, **file); !status.ok())
      return status;
  }
  return total;
}

absl::StatusOr<int64_t> writeModel(ImportedModel &model, std::optional<StorageFormat> format,
                                   NewDirectory &target, ExportProgress progress) {
  text::TokenizerModel tokenizer;
  if (!tokenizer.ParseFromString(model.info.tokenizer))
    return absl::InternalError("the imported tokenizer cannot be read back");
  if (!format) {
    absl::StatusOr<StorageFormat> chosen = chooseFormat(model);
    if (!chosen.ok())
      return chosen.status();
    format = *chosen;
  }
  absl::Status status = target.addText(
      "config.json", configJson(model.description, tokenizer, torchTypeOf(*format)).dump(2) + "\n");
  status.Update(target.addText("generation_config.json",
                               generationConfigOf(model.info.sampling, tokenizer).dump(2) + "\n"));
  absl::StatusOr<std::string> json = tokenizer::tokenizerJson(tokenizer);
  status.Update(json.ok() ? target.addText("tokenizer.json", *json)
                          : io::withContext(model.source->path(), json.status()));
  status.Update(target.addText("tokenizer_config.json", tokenizer::tokenizerConfigJson(tokenizer)));
  if (!model.info.licence.empty())
    status.Update(target.addText("README.md", absl::StrCat("---\nlicense: ", model.info.licence, "\n---\n")));
  if (!status.ok())
    return status;
  return writeTensors(model, *format, target, progress);
}

} // namespace

absl::StatusOr<ExportReport> llmc::frontend::exportHuggingFace(ImportedModel &model,
                                                               const std::string &output,
                                                               const ExportOptions &options,
                                                               ExportProgress progress) {
  const std::string source = model.source->path();
  absl::StatusOr<NewDirectory> target = NewDirectory::create(output);
  if (!target.ok())
    return target.status();
  ExportReport report;
  absl::StatusOr<int64_t> tensors = 0;
  if (model.source->format() == Format::HuggingFace) {
    absl::Status status = copyConfig(source, options.format, *target);
    status.Update(copyFiles(source, *target));
    if (!status.ok())
      return status;
    tensors = copyTensors(source, options.format, *target, progress);
  } else {
    tensors = writeModel(model, options.format, *target, progress);
  }
  if (!tensors.ok())
    return tensors.status();
  report.tensors = *tensors;
  absl::StatusOr<uint64_t> bytes = target->commit();
  if (!bytes.ok())
    return bytes.status();
  report.bytes = *bytes;
  return report;
}
