//===- GgufExport.cpp - a model as a GGUF file --------------------------------------------------------===//

#include "frontend/export/GgufExport.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "frontend/export/TensorContents.h"
#include "frontend/gguf/Parts.h"
#include "frontend/gguf/Writer.h"
#include "frontend/import/Formats.h"
#include "frontend/import/Rope.h"
#include "frontend/tokenizer/GgufTokenizerWriter.h"
#include "runtime/io/Message.h"

#include <map>

using namespace llmc;
using namespace llmc::frontend;
using blocks::StorageFormat;

namespace {

/// What llama.cpp calls a file most of whose weights are stored so (general.file_type); it only shows it.
uint32_t fileTypeOf(StorageFormat format) {
  switch (format) {
  case StorageFormat::F32:
    return 0;
  case StorageFormat::F16:
    return 1;
  case StorageFormat::BF16:
    return 32;
  case StorageFormat::Q4_0:
    return 2;
  case StorageFormat::Q4_1:
    return 3;
  case StorageFormat::Q8_0:
    return 7;
  case StorageFormat::Q4_K:
    return 14;
  default:
    return 18; // Q6_K
  }
}

/// Writes a field under the key `key`; what GGUF files do not say is left out.
void writeField(const std::string &key, const Field &field, gguf::HeaderWriter &header) {
  if (auto *flag = std::get_if<bool>(&field))
    header.flag(key, *flag);
  else if (auto *integer = std::get_if<int64_t>(&field))
    header.integer(key, static_cast<uint32_t>(*integer));
  else if (auto *number = std::get_if<double>(&field))
    header.number(key, static_cast<float>(*number));
  else if (auto *text = std::get_if<std::string>(&field))
    header.text(key, *text);
  else if (auto *texts = std::get_if<std::vector<std::string>>(&field))
    header.texts(key, *texts);
}

void writeDescription(const ImportedModel &model, gguf::HeaderWriter &header) {
  const Description &description = model.description;
  header.text("general.architecture", description.ggufArchitecture);
  header.text("general.type", "model");
  header.text("general.name", model.info.name);
  if (!model.info.licence.empty())
    header.text("general.license", model.info.licence);
  for (const DescribedField &field : description.fields)
    if (*field.name.gguf != 0)
      writeField(absl::StrCat(description.ggufArchitecture, ".", field.name.gguf), field.value, header);
}

void writeSampling(const SamplingDefaults &sampling, gguf::HeaderWriter &header) {
  auto number = [&](const char *key, std::optional<double> value) {
    if (value)
      header.number(key, static_cast<float>(*value));
  };
  // Readers sample from the most likely token of one where a model is greedy.
  number("general.sampling.temp", sampling.sample == false ? std::optional(0.0) : sampling.temperature);
  number("general.sampling.top_p", sampling.topP);
  number("general.sampling.min_p", sampling.minP);
  number("general.sampling.penalty_repeat", sampling.repetitionPenalty);
  if (sampling.topK && *sampling.topK >= 0)
    header.integer("general.sampling.top_k", static_cast<uint32_t>(*sampling.topK));
}

absl::Status writeTokenizer(const ImportedModel &model, gguf::HeaderWriter &header) {
  text::TokenizerModel tokenizer;
  if (!tokenizer.ParseFromString(model.info.tokenizer))
    return absl::InternalError("the imported tokenizer cannot be read back");
  absl::StatusOr<tokenizer::GgufTokenizerFields> fields =
      tokenizer::ggufFieldsOf(tokenizer, model.info.sizes.vocabulary);
  if (!fields.ok())
    return io::withContext(model.source->path(), fields.status());
  auto key = [](absl::string_view name) { return absl::StrCat("tokenizer.ggml.", name); };
  header.text(key("model"), fields->model);
  if (!fields->pre.empty())
    header.text(key("pre"), fields->pre);
  header.texts(key("tokens"), fields->tokens);
  header.integers(key("token_type"), fields->tokenTypes);
  if (!fields->scores.empty())
    header.numbers(key("scores"), std::vector<float>(fields->scores.begin(), fields->scores.end()));
  if (!fields->merges.empty())
    header.texts(key("merges"), fields->merges);
  const std::pair<const char *, std::optional<uint32_t>> ids[] = {
      {"bos_token_id", fields->bosId},      {"eos_token_id", fields->eosId},
      {"eot_token_id", fields->eotId},      {"unknown_token_id", fields->unkId},
      {"padding_token_id", fields->padId},  {"cls_token_id", fields->clsId},
      {"seperator_token_id", fields->sepId} /* spelled so */};
  for (auto [name, id] : ids)
    if (id)
      header.integer(key(name), *id);
  const std::pair<const char *, std::optional<bool>> flags[] = {{"add_bos_token", fields->addBos},
                                                                {"add_eos_token", fields->addEos},
                                                                {"add_space_prefix", fields->addSpacePrefix}};
  for (auto [name, flag] : flags)
    if (flag)
      header.flag(key(name), *flag);
  if (!fields->chatTemplate.empty())
    header.text("tokenizer.chat_template", fields->chatTemplate);
  return absl::OkStatus();
}

/// The metadata of a GGUF file for another one, without what depends on how tensors are stored.
absl::Status copyMetadata(const std::string &path, gguf::HeaderWriter &header) {
  absl::StatusOr<gguf::Reader> reader = gguf::Reader::open(path);
  if (!reader.ok())
    return reader.status();
  for (const gguf::Entry &entry : reader->metadata())
    if (!absl::StartsWith(entry.key, "split.") && entry.key != "general.alignment" &&
        entry.key != "general.file_type" && entry.key != "general.quantization_version")
      header.copy(entry);
  return absl::OkStatus();
}

/// Chooses how tensors are stored, and says where that is not as it was asked for.
class FormatChoice {
public:
  FormatChoice(std::optional<StorageFormat> wanted, ExportReport &report) : wanted(wanted), report(report) {}
  ~FormatChoice() {
    for (const auto &[format, count] : others)
      report.notes.push_back(absl::StrCat(
          count, count == 1 ? " matrix is" : " matrices are", " stored as ",
          std::string(blocks::nameOf(format)), ": ", std::string(blocks::nameOf(*wanted)),
          " needs rows of a multiple of ", blocks::traitsOf(*wanted).blockElements, " elements"));
  }

  StorageFormat of(const TensorContents &tensor) {
    if (tensor.isVector())
      return StorageFormat::F32;
    if (!wanted)
      return tensor.stored();
    for (StorageFormat format : {*wanted, StorageFormat::Q8_0, StorageFormat::F16})
      if (tensor.shape().back() % blocks::traitsOf(format).blockElements == 0) {
        if (format != *wanted)
          ++others[format];
        return format;
      }
    return StorageFormat::F16;
  }

private:
  std::optional<StorageFormat> wanted;
  ExportReport &report;
  std::map<StorageFormat, int64_t> others;
};

/// All tensors that are written: a header for each, and what it consists of, one behind the other (a matrix
/// for each expert).
struct TensorList {
  std::vector<gguf::TensorHeader> headers;
  std::vector<std::vector<NamedTensor>> parts;
};

/// The tensors of `source` under their names of GGUF.
std::vector<NamedTensor> namesOf(const ImportedModel &model, const Checkpoint &source) {
  if (source.format() == Format::HuggingFace)
    return model.description.tensors;
  std::vector<NamedTensor> names;
  for (const auto &entry : source.tensors())
    names.push_back({.huggingFace = "", .gguf = entry.getKey().str()});
  llvm::sort(names, [](const NamedTensor &a, const NamedTensor &b) { return a.gguf < b.gguf; });
  return names;
}

absl::StatusOr<TensorList> listTensors(const ImportedModel &model, Checkpoint &source,
                                       const ExportOptions &options, ExportReport &report) {
  TensorList list;
  FormatChoice choice(options.format, report);
  for (const NamedTensor &name : namesOf(model, source)) {
    if (name.expert > 0) {
      list.parts.back().push_back(name);
      continue;
    }
    absl::StatusOr<TensorContents> contents = TensorContents::create(source, name, Format::Gguf);
    if (!contents.ok())
      return contents.status();
    std::vector<int64_t> shape = contents->shape();
    if (name.experts > 0)
      shape.insert(shape.begin(), name.experts);
    list.headers.push_back({name.gguf, choice.of(*contents), std::move(shape)});
    list.parts.push_back({name});
  }
  return list;
}

/// The format of most elements.
StorageFormat commonFormat(const TensorList &list) {
  std::map<StorageFormat, uint64_t> bytes;
  for (const gguf::TensorHeader &header : list.headers)
    bytes[header.format] += header.bytes();
  auto most = std::max_element(bytes.begin(), bytes.end(),
                               [](const auto &a, const auto &b) { return a.second < b.second; });
  return most == bytes.end() ? StorageFormat::F32 : most->first;
}

bool hasQuantized(const TensorList &list) {
  return llvm::any_of(list.headers, [](const gguf::TensorHeader &header) {
    return blocks::traitsOf(header.format).isQuantized();
  });
}

} // namespace

absl::StatusOr<ExportReport> llmc::frontend::exportGguf(ImportedModel &model, const std::string &output,
                                                        const ExportOptions &options,
                                                        ExportProgress progress) {
  ExportReport report;
  gguf::HeaderWriter header;
  absl::Status status;
  if (model.source->format() == Format::Gguf) {
    status = copyMetadata(model.source->path(), header);
  } else {
    writeDescription(model, header);
    writeSampling(model.info.sampling, header);
    status = writeTokenizer(model, header);
  }
  if (!status.ok())
    return status;
  // Tensors of a GGUF file are taken as they are in it, and not as the importer sees them.
  std::unique_ptr<Checkpoint> original;
  if (model.source->format() == Format::Gguf) {
    absl::StatusOr<std::unique_ptr<Checkpoint>> opened = openCheckpoint(model.source->path());
    if (!opened.ok())
      return opened.status();
    original = *std::move(opened);
  }
  Checkpoint &source = original ? *original : *model.source;
  absl::StatusOr<TensorList> list = listTensors(model, source, options, report);
  if (!list.ok())
    return list.status();
  header.integer("general.file_type", fileTypeOf(commonFormat(*list)));
  if (hasQuantized(*list))
    header.integer("general.quantization_version", 2);

  std::vector<float> factors(model.description.ropeFactors.begin(), model.description.ropeFactors.end());
  const bool addsFactors = model.source->format() != Format::Gguf && !factors.empty();
  if (addsFactors)
    list->headers.push_back({kRopeFactorsTensor, StorageFormat::F32, {static_cast<int64_t>(factors.size())}});

  absl::StatusOr<io::AtomicFile> file = io::AtomicFile::create(output);
  if (!file.ok())
    return file.status();
  (void)file->append(header.finish(list->headers));
  const auto total = static_cast<int64_t>(list->headers.size());
  for (const auto &[index, parts] : llvm::enumerate(list->parts)) {
    progress(static_cast<int64_t>(index), total);
    for (const NamedTensor &part : parts) {
      absl::StatusOr<TensorContents> contents = TensorContents::create(source, part, Format::Gguf);
      if (!contents.ok())
        return contents.status();
      if (absl::Status status = contents->append(list->headers[index].format, *file); !status.ok())
        return status;
    }
    (void)file->alignTo(gguf::HeaderWriter::alignment);
  }
  if (addsFactors) {
    (void)file->append(absl::MakeConstSpan(reinterpret_cast<const uint8_t *>(factors.data()),
                                           factors.size() * sizeof(float)));
    (void)file->alignTo(gguf::HeaderWriter::alignment);
  }
  report.tensors = total;
  report.bytes = file->offset();
  if (absl::Status status = file->commit(); !status.ok())
    return status;
  return report;
}
