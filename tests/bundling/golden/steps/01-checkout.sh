to='/srv/it'\''s here/.srpo/checkouts/eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee'
host=$(uname -n)
aside=$to.aside.$host.$$
discard() { if [ -L "$1" ]; then rm -- "$1"; elif [ -e "$1" ]; then chmod -R u+w -- "$1" && rm -rf -- "$1"; fi; }
rm_old() { [ ! -d "$to" ] || { mv -T -- "$to" "$to.old.$host.$$" && discard "$to.old.$host.$$"; }; }
for at in "$to" "${to%/*}"; do
  [ ! -L "$at" ] || { printf '%s is a link, and no folder of ours: take it away\n' "$at" >&2; exit 1; }
done
for left in "$to".aside.* "$to".old.*; do
  case $left in "$to".*."$host".*) [ -e "/proc/${left##*.}" ] || discard "$left" ;; esac
  [ -z "$(find "$left" -maxdepth 0 -mmin +1440 2>/dev/null)" ] || discard "$left"
done
[ -d "$to" ] && exit 0
mkdir -p -- "$aside" || exit
trap 'discard "$aside"' EXIT
tar -x --no-same-owner -f "$SRPO_BUNDLE/tree.tar" -C "$aside" || exit
chmod -R a-w -- "$aside" || exit
mv -T -- "$aside" "$to" 2>/dev/null || [ -d "$to" ]
