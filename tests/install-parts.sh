#!/bin/sh
# Installs the Debian packages that are named, where their programs are missing and this machine lets us.
missing=''
for package in "$@"; do
  command -v "$package" >/dev/null || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "not installed:$missing; tests that need them are skipped" >&2
  exit 0
fi
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 - words
apt-get update -qq && apt-get install -qq -y --no-install-recommends $missing
