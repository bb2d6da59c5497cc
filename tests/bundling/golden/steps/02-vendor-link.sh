at='/srv/it'\''s here/third_party/srpo/vendor'
to='/srv/it'\''s here/.srpo/checkouts/eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee'
if [ -L "$at" ] && [ "$(readlink -- "$at")" = "$to" ]; then exit 0; fi
if [ -d "$at" ] && [ ! -L "$at" ]; then rmdir -- "$at" 2>/dev/null || { echo third_party/srpo/vendor 'is a folder of yours: left as it is' >&2; exit 1; }; fi
above=${at%/*}
mkdir -p -- "$above" || exit
root=$(cd -P -- '/srv/it'\''s here' && pwd) || exit
case $(cd -P -- "$above" && pwd)/ in
  "${root%/}"/*) ;;
  *) printf '%s leads out of the workspace: take the link away\n' "$above" >&2; exit 1 ;;
esac
ln -s -- "$to" "$at.new.$$" && mv -T -- "$at.new.$$" "$at"
