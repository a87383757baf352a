#!/usr/bin/env bash
# Measures llmc on CPUs beside llama.cpp, OpenVINO, ONNX Runtime, PyTorch and IREE, all in one run, and prints a table of the
# ratios; with --write it also becomes the table and the plot of docs/performance.md. The peers are installed into an
# environment of their own the first time (llama.cpp is built: a quarter of an hour on two cores), and so are the models
# made (12 GB of disk in all).
#
#   scripts/benchmark.sh [--threads N] [--rounds N] [--models NAME,...] [--types NAME,...] [--short] [--json FILE] [--write]
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

"$root/scripts/install-dependencies.sh"
smollm2=$("$root/scripts/fetch-model.sh" smollm2) || die "there is no model to measure with; the line above says why"
minilm=$("$root/scripts/fetch-model.sh" minilm) || die "there is no encoder to measure with; the line above says why"

say "building llmc into build/release"
configure release
build release llmc >&2

requirements=$root/test/benchmark/cpu/requirements.txt
peers=$cache/peers/cpu-$(sha256sum "$requirements" | cut -c 1-12)
if [ ! -f "$peers/complete" ]; then
  say "installing the peers into $peers (once)"
  rm -rf "$peers"
  mkdir -p "$(dirname "$peers")"
  /usr/bin/python3 -m venv "$peers" || die "cannot make a Python environment for the peers"
  # The peer's own flags for this CPU. gcc 12 sets up AMX tiles wrongly, and the program then faults on its first tile; clang is the
  # compiler of this project too.
  export CC=clang-22 CXX=clang++-22
  "$peers/bin/python" -m pip install --quiet --no-binary llama-cpp-python -r "$requirements" ||
    die "the peers could not be installed; the error is above"
  touch "$peers/complete"
fi

# Inductor and IREE look for compilers.
export CXX=clang++-22
exec "$peers/bin/python" "$root/test/benchmark/cpu/benchmark.py" --llmc "$root/build/release/bin/llmc" --smollm2 "$smollm2" --minilm "$minilm" \
  --cache "$cache/benchmark" --page "$root/docs/performance.md" "$@"
