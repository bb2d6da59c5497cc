to='/srv/it'\''s here/.srpo/checkouts/eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee'
aside=$to.aside.$$
discard() { [ ! -e "$1" ] || { chmod -R u+w -- "$1" && rm -rf -- "$1"; }; }
rm_old() { [ ! -d "$to" ] || { mv -T -- "$to" "$to.old.$$" && discard "$to.old.$$"; }; }
for at in "$to" "${to%/*}"; do
  [ ! -L "$at" ] || { printf '%s is a link, and no folder of ours: take it away
' "$at" >&2; exit 1; }
done
[ -d "$to" ] && exit 0
mkdir -p -- "$aside" || exit
trap 'discard "$aside"' EXIT
tar -x --no-same-owner -f "$SRPO_BUNDLE/tree.tar" -C "$aside" && chmod -R a-w -- "$aside" || exit
mv -T -- "$aside" "$to" 2>/dev/null || [ -d "$to" ]
