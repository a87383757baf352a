#!/usr/bin/env bash
# Builds what the tests for AArch64 run under emulation. Exit status 77 where the libraries for it were not fetched.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../../scripts/common.sh"

if [ ! -d "$cache/aarch64/sysroot" ]; then
  say "skipped: $cache/aarch64 is missing; scripts/fetch-aarch64.sh fetches libraries for arm64 and an emulator"
  exit 77
fi
configure aarch64
build aarch64 feed-tokens
