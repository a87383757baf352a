//===- ConfigJson.cpp - a description as config.json -------------------------------------------------===//

#include "frontend/import/ConfigJson.h"

#include <charconv>
#include <cstdlib>

using namespace llmc;
using namespace llmc::frontend;
using Json = nlohmann::ordered_json;

namespace {

Json valueOf(const Field &field) {
  if (auto *flag = std::get_if<bool>(&field))
    return *flag;
  if (auto *integer = std::get_if<int64_t>(&field))
    return *integer;
  if (auto *number = std::get_if<double>(&field))
    return shortestDecimal(*number);
  if (auto *text = std::get_if<std::string>(&field))
    return *text;
  if (auto *numbers = std::get_if<std::vector<double>>(&field)) {
    Json list = Json::array();
    for (double number : *numbers)
      list.push_back(shortestDecimal(number));
    return list;
  }
  if (auto *texts = std::get_if<std::vector<std::string>>(&field))
    return *texts;
  return nullptr;
}

/// Sets the field at `key`, in which dots lead into objects.
void setField(Json &object, const std::string &key, Json value) {
  const size_t dot = key.find('.');
  if (dot == std::string::npos)
    object[key] = std::move(value);
  else
    setField(object[key.substr(0, dot)], key.substr(dot + 1), std::move(value));
}

} // namespace

double llmc::frontend::shortestDecimal(double value) {
  const auto narrow = static_cast<float>(value);
  if (double(narrow) != value)
    return value;
  char digits[32];
  const auto [end, error] = std::to_chars(digits, digits + sizeof(digits), narrow);
  return error == std::errc() ? std::strtod(std::string(digits, end).c_str(), nullptr) : value;
}

Json llmc::frontend::configJson(const Description &description, const text::TokenizerModel &tokenizer,
                                const char *torchType) {
  Json config = {{"architectures", Json::array({description.huggingFaceArchitecture})},
                 {"model_type", description.modelType},
                 {"torch_dtype", torchType}};
  for (const DescribedField &field : description.fields)
    if (*field.name.huggingFace != 0)
      setField(config, field.name.huggingFace, valueOf(field.value));
  // A model may have ids of its own.
  auto addId = [&](const char *name, bool has, uint32_t id) {
    if (!config.contains(name))
      config[name] = has ? Json(id) : Json();
  };
  addId("bos_token_id", tokenizer.has_bos_id(), tokenizer.bos_id());
  addId("eos_token_id", tokenizer.has_eos_id(), tokenizer.eos_id());
  addId("pad_token_id", tokenizer.has_pad_id(), tokenizer.pad_id());
  return config;
}
