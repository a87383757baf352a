// Encodes the lines of a text, again and again, on one thread: compare_tokenizers.py runs this beside the
// reference libraries.
//
//   tokenizer_benchmark TOKENIZER TEXT ROUNDS
//
// TOKENIZER is a tokenizer.json or the .model file of SentencePiece. Prints the CPU seconds of each round,
// and how many ids it made.

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iterator>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"

#include "frontend/tokenizer/SentencePieceModel.h"
#include "frontend/tokenizer/TokenizerJson.h"
#include "runtime/text/Tokenizer.h"

using namespace llmc;

namespace {

std::string readFile(const char *path) {
  std::ifstream file(path, std::ios::binary);
  if (!file.good()) {
    std::fprintf(stderr, "cannot read %s\n", path);
    std::exit(1);
  }
  return std::string(std::istreambuf_iterator<char>(file), {});
}

template <typename T> T valueOf(absl::StatusOr<T> result) {
  if (!result.ok()) {
    std::fprintf(stderr, "%s\n", std::string(result.status().message()).c_str());
    std::exit(1);
  }
  return *std::move(result);
}

} // namespace

int main(int argc, char **argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: tokenizer_benchmark TOKENIZER TEXT ROUNDS\n");
    return 2;
  }
  const std::string file = readFile(argv[1]), text = readFile(argv[2]);
  const bool isModel = absl::EndsWith(argv[1], ".model");
  auto tokenizer = valueOf(text::Tokenizer::create(
      valueOf(isModel ? tokenizer::importSentencePieceModel({argv[1], file, "", {}, {}})
                      : tokenizer::importTokenizerJson({file, {}}))));
  // SentencePiece gives no meaning to the texts of its special tokens, and surrounds a text with none.
  const text::EncodeOptions options{/*addSpecialTokens=*/!isModel, /*parseSpecial=*/!isModel};
  const std::vector<absl::string_view> lines = absl::StrSplit(text, '\n');
  for (int round = std::atoi(argv[3]); round > 0; --round) {
    const std::clock_t start = std::clock();
    size_t count = 0;
    for (absl::string_view line : lines)
      count += valueOf(tokenizer->encode(line, options)).size();
    std::printf("%.6f %zu\n", static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC, count);
  }
}
