home='/srv/it'\''s here/venv'
want=$(cksum <"$SRPO_BUNDLE/files/requirements.txt")
is_ready() { [ "$(cat "$home/.srpo-ready" 2>/dev/null)" = "$want" ]; }
! is_ready || exit 0
mkdir -p -- "$(dirname -- "$home")" && exec 9>>"$home.building" || exit
"${SRPO_PYTHON:-python3}" -I -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX)' || exit
! is_ready || exit 0
anew=
if [ -s "$home.building" ]; then
  echo "$home was cut off while it was made: it is made anew"
  anew=--clear
elif [ ! -e "$home" ] || [ -e "$home/.srpo-ready" ]; then
  echo "$$" >&9
fi
rm -f -- "$home/.srpo-ready"
PATH=${PATH#"$home/bin:"} python3 -m venv $anew "$home" || exit
"$home/bin/python" -m pip install --quiet --requirement "$SRPO_BUNDLE/files/requirements.txt" || exit
: >"$home.building"
printf '%s\n' "$want" >"$home/.srpo-ready.new" && mv -T -- "$home/.srpo-ready.new" "$home/.srpo-ready"
