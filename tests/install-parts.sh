#!/bin/sh
# Installs the Debian packages of the programs that are named (PROGRAM or PROGRAM=PACKAGE), where they are missing and this machine lets us.
PATH=$PATH:/usr/sbin:/sbin
missing=''
for part in "$@"; do
  command -v "${part%%=*}" >/dev/null || missing="$missing ${part#*=}"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "not installed:$missing; tests that need them are skipped" >&2
  exit 0
fi
export DEBIAN_FRONTEND=noninteractive
# What is installed for tests starts nothing by itself.
[ -e /usr/sbin/policy-rc.d ] || { printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d; }
# shellcheck disable=SC2086 - words
apt-get update -qq && apt-get install -qq -y --no-install-recommends $missing
