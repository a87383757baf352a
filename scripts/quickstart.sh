#!/usr/bin/env bash
# From a fresh checkout to generated text: installs what is missing, builds llmc, fetches a real model, compiles it and
# streams an answer. The second run needs no network.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

prompt=${1:-"What is a compiler? Answer in two sentences."}

"$root/scripts/install-dependencies.sh"

say "building llmc into build/release (ten minutes or so the first time)"
configure release
build release llmc >&2

llmc=$root/build/release/bin/llmc
status=0
model=$("$root/scripts/fetch-model.sh" smollm2) || status=$?
if [ "$status" -eq 3 ]; then
  model=$root/test/e2e/golden/llama-tied
  say "using the tiny model in test/e2e/golden/llama-tied instead; its weights are random, so what it writes means nothing"
elif [ "$status" -ne 0 ]; then
  exit "$status"
fi

artifact=$root/build/release/quickstart.llmc
say "compiling $(basename "$model")"
"$llmc" compile "$model" -o "$artifact" || die "compiling the model failed; the line above says why"
say "running: llmc run build/release/quickstart.llmc --prompt \"$prompt\""
"$llmc" run "$artifact" --temperature 0 --max-tokens 128 --prompt "$prompt" || die "running the model failed; the line above says why"
