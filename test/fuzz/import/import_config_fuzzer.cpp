// Any text as the config.json of a Hugging Face directory, whose tensors are those of a small Llama or of a
// small BERT: refused with a message, or a program.
#include "test/fuzz/import/ImportFuzzer.h"
#include "test/unit/safetensors/SafetensorsWriter.h"

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <vector>

namespace {

using Shapes = std::vector<std::pair<std::string, std::vector<int>>>;

// Sizes of the seeds: 6 tokens, a hidden size of 4, two heads, 3 inner dimensions.
Shapes llamaTensors() {
  Shapes shapes = {{"model.embed_tokens.weight", {6, 4}}, {"model.norm.weight", {4}}};
  const std::string layer = "model.layers.0.";
  for (const char *name : {"q_proj", "k_proj", "v_proj", "o_proj"})
    shapes.push_back({layer + "self_attn." + name + ".weight", {4, 4}});
  shapes.push_back({layer + "mlp.gate_proj.weight", {3, 4}});
  shapes.push_back({layer + "mlp.up_proj.weight", {3, 4}});
  shapes.push_back({layer + "mlp.down_proj.weight", {4, 3}});
  shapes.push_back({layer + "input_layernorm.weight", {4}});
  shapes.push_back({layer + "post_attention_layernorm.weight", {4}});
  return shapes;
}

Shapes bertTensors() {
  Shapes shapes;
  auto linear = [&](const std::string &name, int out, int in) {
    shapes.push_back({name + ".weight", {out, in}});
    shapes.push_back({name + ".bias", {out}});
  };
  auto norm = [&](const std::string &name) {
    shapes.push_back({name + ".weight", {4}});
    shapes.push_back({name + ".bias", {4}});
  };
  shapes.push_back({"embeddings.word_embeddings.weight", {6, 4}});
  shapes.push_back({"embeddings.position_embeddings.weight", {8, 4}});
  shapes.push_back({"embeddings.token_type_embeddings.weight", {2, 4}});
  norm("embeddings.LayerNorm");
  const std::string layer = "encoder.layer.0.";
  for (const char *name : {"query", "key", "value"})
    linear(layer + "attention.self." + name, 4, 4);
  linear(layer + "attention.output.dense", 4, 4);
  norm(layer + "attention.output.LayerNorm");
  linear(layer + "intermediate.dense", 3, 4);
  linear(layer + "output.dense", 4, 3);
  norm(layer + "output.LayerNorm");
  return shapes;
}

std::string safetensorsFile(const Shapes &shapes) {
  std::string header, data;
  for (const auto &[name, shape] : shapes) {
    size_t bytes = sizeof(float);
    std::string dimensions;
    for (int size : shape) {
      bytes *= size;
      dimensions += (dimensions.empty() ? "" : ",") + std::to_string(size);
    }
    const std::string offsets =
        "[" + std::to_string(data.size()) + "," + std::to_string(data.size() + bytes) + "]";
    header += (header.empty() ? "" : ",") +
              llmc::safetensors::testing::entryOf(name, "F32", "[" + dimensions + "]", offsets);
    data.append(bytes, '\0');
  }
  return llmc::safetensors::testing::fileOf("{" + header + "}", data);
}

/// A Hugging Face directory for as long as the program runs.
class Directory {
public:
  explicit Directory(const Shapes &shapes) {
    folder = (std::filesystem::temp_directory_path() / "import-fuzzer-XXXXXX").string();
    if (mkdtemp(folder.data()) == nullptr)
      std::abort();
    std::ofstream(folder + "/model.safetensors", std::ios::binary) << safetensorsFile(shapes);
  }
  ~Directory() { std::filesystem::remove_all(folder); }
  void import(const uint8_t *config, size_t size) const {
    std::ofstream(folder + "/config.json", std::ios::binary)
        .write(reinterpret_cast<const char *>(config), size);
    llmc::frontend::importAndOptimize(folder, /*tokenizer=*/false);
  }

private:
  std::string folder;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const Directory llama(llamaTensors()), bert(bertTensors());
  llama.import(data, size);
  bert.import(data, size);
  return 0;
}
