#include "tools/llmc/TextInputs.h"

#include <iostream>

namespace llmc::tool {

std::vector<std::string> textsOrLines(const std::vector<std::string> &texts) {
  if (!texts.empty())
    return texts;
  std::vector<std::string> lines;
  for (std::string line; std::getline(std::cin, line);)
    lines.push_back(line);
  return lines;
}

} // namespace llmc::tool
