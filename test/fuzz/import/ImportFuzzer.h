#ifndef LLMC_TEST_FUZZ_IMPORT_IMPORTFUZZER_H
#define LLMC_TEST_FUZZ_IMPORT_IMPORTFUZZER_H

#include <string>

namespace llmc::frontend {

/// Imports the model at `path`, which is refused with one line, or makes a program that all passes on nn can
/// work on. Returns whether it was accepted.
bool importAndOptimize(const std::string &path, bool tokenizer);

} // namespace llmc::frontend

#endif // LLMC_TEST_FUZZ_IMPORT_IMPORTFUZZER_H
