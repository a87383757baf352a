#!/usr/bin/env bash
# Measures llmc beside llama.cpp on the quick-start model, both in one run, and prints a table of the ratios; with
# --write it also becomes the table of docs/performance.md. llama.cpp is built from its source package into an
# environment of its own the first time (a quarter of an hour on two cores).
#
#   scripts/benchmark.sh [--threads N] [--rounds N] [--write]
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

peer=llama-cpp-python==0.3.36

"$root/scripts/install-dependencies.sh"
model=$("$root/scripts/fetch-model.sh" smollm2) || die "there is no model to measure with; the line above says why"

say "building llmc into build/release"
configure release
build release llmc >&2

peers=$cache/peers/${peer/==/-}
if [ ! -f "$peers/complete" ]; then
  say "building $peer into $peers (once)"
  rm -rf "$peers"
  mkdir -p "$(dirname "$peers")"
  /usr/bin/python3 -m venv "$peers" || die "cannot make a Python environment for llama.cpp"
  # The peer's own flags for this CPU. gcc 12 sets up AMX tiles wrongly, and the program then faults on its first tile; clang is the
  # compiler of this project too.
  export CC=clang-22 CXX=clang++-22
  "$peers/bin/python" -m pip install --quiet --no-binary llama-cpp-python "$peer" ||
    die "llama.cpp could not be built; its error is above"
  touch "$peers/complete"
fi

exec "$peers/bin/python" "$root/test/benchmark/compare_llamacpp.py" --llmc "$root/build/release/bin/llmc" --model "$model" \
  --page "$root/docs/performance.md" "$@"
