#!/usr/bin/env bash
# Formats the C++ sources that git knows of; with --check changes nothing and fails if there was something to do.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

case "${1:-}" in
  "" | --check) ;;
  *) die "usage: scripts/format.sh [--check]" 2 ;;
esac

cd "$root"
# Through sudo the checkout may belong to somebody else, which git would refuse.
sources=$(mktemp)
trap 'rm -f "$sources"' EXIT
git -c safe.directory='*' ls-files -z '*.h' '*.cpp' > "$sources" ||
  die "git cannot list the sources, so their formatting is not checked"
if [ "${1:-}" != --check ]; then
  xargs -0 --no-run-if-empty clang-format-22 -i < "$sources"
  exit
fi

unformatted=$(xargs -0 --no-run-if-empty clang-format-22 --dry-run < "$sources" 2>&1 | sed -n 's/:[0-9]*:[0-9]*: .*//p' | sort -u)
[ -z "$unformatted" ] || die "not formatted: $(echo $unformatted); run scripts/format.sh"
