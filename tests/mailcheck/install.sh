#!/usr/bin/env bash
# Puts the checks of mails into .build/mailcheck, exactly as package-lock.json names it; a second call is instant.
# Where flock is there, several may call at once.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
root="$(cd "$here/../.." && pwd)"
place="$root/.build/mailcheck"
mkdir -p "$place"

exec 9>"$root/.build/mailcheck.lock"
if command -v flock >/dev/null; then flock 9; fi
if cmp -s "$here/package-lock.json" "$place/installed"; then exit 0; fi
echo "Installing the checks of mails"
rm -rf "$place/node_modules" "$place/installed"
cp "$here/package.json" "$here/package-lock.json" "$place/"
npm ci --prefix "$place" --ignore-scripts --no-audit --no-fund --loglevel=error </dev/null >"$root/.build/mailcheck.log" 2>&1 ||
  { cat "$root/.build/mailcheck.log" >&2; exit 1; }
cp "$here/package-lock.json" "$place/installed"
