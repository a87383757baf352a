#!/usr/bin/env bash
# Runs all tests: installs what is missing, builds everything, and hands over to ctest: lit tests of the compiler, unit
# tests, fuzz targets for a few seconds each, end-to-end tests on real models, the examples of the documentation, one
# round of each benchmark, the formatting. Arguments go to ctest: `scripts/test.sh -L unit` runs the unit tests.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

"$root/scripts/install-dependencies.sh"

# Tests of real models say that they were skipped where these could not be fetched.
for model in smollm2 minilm; do
  "$root/scripts/fetch-model.sh" "$model" > /dev/null || say "tests that need $model will be skipped"
done

"$root/scripts/fetch-aarch64.sh" > /dev/null || say "tests for AArch64 will be skipped"

preset=${LLMC_PRESET:-dev}
say "building everything into build/$preset"
configure "$preset"
build "$preset"

export LLMC_MODELS=$cache/models
# The packages' linker is not instrumented, and shares LLVM's allocator, which poisons memory, with code that is.
export ASAN_OPTIONS=${ASAN_OPTIONS:-allow_user_poisoning=0}
# Timing is part of no test, so they may share the cores.
ctest --test-dir "$root/build/$preset" --output-on-failure --parallel "$(parallel_jobs)" "$@"
