#!/usr/bin/env bash
# Fetches what programs for 64-bit Arm are built and tested with on another machine: Debian's libraries for arm64, into a
# folder of their own, and an emulator of the processor. Prints where they lie. Needs no root: nothing is installed. Once
# there they are never fetched again, so later calls need no network.
#
#   cmake --preset aarch64; ninja -C build/aarch64      # finds them there; see docs/tools/compile.md#other-machines
#
# Exit status: 0 they are there; 1 they cannot be unpacked; 3 no mirror of Debian could be reached.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# What the runtime is built with; apt adds what these need.
packages=(
  libc6-dev libstdc++-12-dev
  libabsl-dev libprotobuf-dev libpcre2-dev libicu-dev libxxhash-dev zlib1g-dev libzstd-dev nlohmann-json3-dev libcli11-dev
)
# Only its programs are used, which need nothing.
emulator=qemu-user-static

folder=$cache/aarch64
# A folder that was made from another list is made anew.
list="${packages[*]} $emulator"
if [ -f "$folder/packages" ] && [ "$(cat "$folder/packages")" = "$list" ]; then
  echo "$folder"
  exit 0
fi

command -v apt-get > /dev/null || die "this machine has no apt-get; libraries for arm64 are fetched with Debian 12's only" 3
mkdir -p "$cache" || die "cannot make the folder '$cache'"
work=$(mktemp -d "$cache/aarch64-XXXXXX")
trap 'rm -rf "$work"' EXIT
log=$work/log
reason() { grep -m 1 -E '^(E|W|Err):' "$log" || tail -n 1 "$log"; }

# apt with lists and packages of its own, as if on a machine of another architecture that has nothing installed.
foreign() {
  local architecture=$1
  shift
  LC_ALL=C apt-get -q -y -o APT::Architecture="$architecture" -o APT::Architectures="$architecture" \
    -o Dir::State="$work/$architecture/state" -o Dir::State::status="$work/$architecture/status" \
    -o Dir::Cache="$work/$architecture" -o APT::Sandbox::User=root \
    -o Acquire::Retries=3 -o APT::Update::Error-Mode=any -o Debug::NoLocking=1 "$@" > "$log" 2>&1
}
prepare() {
  mkdir -p "$work/$1/state/lists/partial" "$work/$1/archives/partial"
  touch "$work/$1/status"
  foreign "$1" update || die "apt-get update failed for $1: $(reason)" 3
}

say "fetching Debian's libraries for arm64 and an emulator into $folder"
prepare arm64
foreign arm64 install --download-only --no-install-recommends "${packages[@]}" ||
  die "no mirror of Debian served ${packages[*]} for arm64: $(reason)" 3
host=$(dpkg --print-architecture)
prepare "$host"
(cd "$work/$host" && foreign "$host" download "$emulator") || die "no mirror of Debian served $emulator: $(reason)" 3

mkdir "$work/kept" "$work/kept/sysroot" "$work/emulator"
for package in "$work"/arm64/archives/*.deb; do
  dpkg-deb -x "$package" "$work/kept/sysroot" || die "'$(basename "$package")' cannot be unpacked"
done
# Links to files of the system that these libraries were made for.
find "$work/kept/sysroot" -type l -lname '/*' | while read -r link; do
  ln -sfnr "$work/kept/sysroot$(readlink "$link")" "$link"
done
dpkg-deb -x "$work/$host/$emulator"_*.deb "$work/emulator" || die "$emulator cannot be unpacked"
cp "$work/emulator/usr/bin/qemu-aarch64-static" "$work/kept/qemu-aarch64"
echo "$list" > "$work/kept/packages"
rm -rf "$folder"
mv "$work/kept" "$folder"
echo "$folder"
