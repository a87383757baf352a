#!/usr/bin/env bash
# Installs the Debian packages that llmc is built and tested with. Does nothing, and needs neither network nor
# root, where they are installed already.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

packages=(
  # compiler, linker, formatter, linter, sanitizers
  clang-22 lld-22 clang-format-22 clang-tidy-22 libclang-rt-22-dev
  # LLVM and MLIR, with FileCheck and lit
  llvm-22 llvm-22-dev llvm-22-tools libmlir-22-dev mlir-22-tools liblld-22-dev
  # build
  cmake ninja-build ccache pkg-config git
  # libraries
  libabsl-dev libprotobuf-dev protobuf-compiler nlohmann-json3-dev libpcre2-dev libicu-dev libxxhash-dev libcli11-dev
  zlib1g-dev libzstd-dev
  # tests and benchmarks
  libgtest-dev libgmock-dev libbenchmark-dev valgrind
  # scripts: python3-venv for the environments that download models and benchmark peers
  python3 python3-venv unzip ca-certificates
)

is_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

command -v dpkg-query > /dev/null ||
  die "this machine has no dpkg; llmc's packages are installed for Debian 12 only, elsewhere install what scripts/install-dependencies.sh lists by hand"

missing=()
for package in "${packages[@]}"; do
  is_installed "$package" || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then exit 0; fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo > /dev/null ||
    die "installing ${missing[*]} needs root, and this machine has no sudo; run this command as root"
  as_root=(sudo)
fi

say "installing ${#missing[@]} of ${#packages[@]} packages: ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive LC_ALL=C apt-get -q -o Acquire::Retries=3 -o APT::Update::Error-Mode=any "$@"; }
reason() { grep -m 1 -E '^(E|W|Err):' "$log" || tail -n 1 "$log"; }

apt update > "$log" 2>&1 || say "apt-get update failed ($(reason)); trying with the package lists that are here"
for package in "${missing[@]}"; do
  [[ $(LC_ALL=C apt-cache policy "$package") =~ Candidate:\ [^\(] ]] ||
    die "apt knows no package $package: llmc needs Debian 12 with its security updates (this is $(. /etc/os-release && echo "$PRETTY_NAME")), and package lists that are up to date"
done
apt install -y --no-install-recommends "${missing[@]}" > "$log" 2>&1 ||
  { tail -n 15 "$log" >&2; die "apt-get could not install the packages: $(reason)"; }
