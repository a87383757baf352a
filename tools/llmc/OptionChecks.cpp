#include "tools/llmc/OptionChecks.h"

#include "runtime/io/Message.h"

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include <CLI/CLI.hpp>
#include <string>

namespace llmc::tool {

CLI::Validator wholeNumber(uint64_t least, uint64_t most) {
  auto check = [least, most](std::string &text) -> std::string {
    const bool isDigits = !text.empty() && absl::c_all_of(text, absl::ascii_isdigit);
    uint64_t number = 0;
    const bool fits = isDigits && absl::SimpleAtoi(text, &number) && number <= most;
    if (fits && number >= least)
      return "";
    const bool tooLarge = isDigits && !fits;
    return absl::StrCat("expected a whole number ",
                        tooLarge ? absl::StrCat("from ", least, " to ", most)
                                 : absl::StrCat("of at least ", least),
                        ", found ", io::quote(text));
  };
  return CLI::Validator(check, /*validator_desc=*/"");
}

CLI::Validator pathOfFile() {
  auto check = [](std::string &path) -> std::string {
    return path.empty() ? "is empty, expected the path of a file or directory" : "";
  };
  return CLI::Validator(check, /*validator_desc=*/"");
}

} // namespace llmc::tool
