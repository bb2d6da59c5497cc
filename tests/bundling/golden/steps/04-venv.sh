home='/srv/it'\''s here/venv'
want=$(cat "$SRPO_BUNDLE/files/requirements.txt" 2>/dev/null | cksum)
[ "$(cat "$home/.srpo-ready" 2>/dev/null)" = "$want" ] && exit 0
PATH=${PATH#"$home/bin:"} python3 -m venv "$home" || exit
"$home/bin/python" -m pip install --quiet --requirement "$SRPO_BUNDLE/files/requirements.txt" || exit
printf '%s\n' "$want" >"$home/.srpo-ready.new" && mv -T -- "$home/.srpo-ready.new" "$home/.srpo-ready"
