to='/srv/it'\''s here/.srpo/checkouts/eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee'
tag() {
  local stat boot fields
  { read -r stat <"/proc/$1/stat" && read -r boot </proc/sys/kernel/random/boot_id; } 2>/dev/null || return
  read -r -a fields <<<"${stat##*) }"
  case ${fields[0]} in Z | X) return 1 ;; esac
  printf '%s-%s-%s' "$1" "${fields[19]}" "${boot%%-*}"
}
lives() { [ -n "$1" ] && [ "$(tag "${1%%-*}")" = "$1" ]; }
me=$(tag $$) aside=$to.aside.$me
discard() { if [ -L "$1" ]; then rm -- "$1"; elif [ -e "$1" ]; then chmod -R u+w -- "$1" && rm -rf -- "$1"; fi; }
rm_old() { [ ! -d "$to" ] || { mv -T -- "$to" "$to.old.$me" && discard "$to.old.$me"; }; }
for left in "$to".aside.* "$to".old.*; do lives "${left##*.}" || discard "$left"; done
[ -d "$to" ] && exit 0
mkdir -p -- "$aside" || exit
trap 'discard "$aside"' EXIT
tar -x --no-same-owner -f "$SRPO_BUNDLE/tree.tar" -C "$aside" && chmod -R a-w -- "$aside" || exit
mv -T -- "$aside" "$to" 2>/dev/null || [ -d "$to" ]
