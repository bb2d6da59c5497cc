#!/usr/bin/env bash
# Starts the bundle that this file lies in: makes the run's folder and hands over to the supervisor.
# shellcheck disable=SC2016 # backticks are what people read, and the file `supervisor` expands for itself
# Usage: bash launch.sh [--run-id ID] [--detach] [--dry-run] [--secrets-on-stdin] [--node I --chief ADDRESS --port PORT]

refuse() { # STATUS CODE MESSAGE HINT
  printf 'error[%s]: %s\nhint: %s\n' "$2" "$3" "$4" >&2
  exit "$1"
}

# SRPO_RUN_*: names that no job inherits
id='' on_stdin='' SRPO_RUN_NODE=0 SRPO_RUN_MET='' flags=()
while [ $# -gt 0 ]; do
  case $1 in
    --run-id)
      id=${2-}
      [ -n "$id" ] || refuse 2 usage "\`--run-id\` needs an id" "give one, or leave \`--run-id\` out"
      shift
      ;;
    --node)
      case ${2-} in
        '' | *[!0-9]*) refuse 2 usage "\`--node\` needs a number" 'give the one of this machine, from 0 on' ;;
      esac
      SRPO_RUN_NODE=$2
      shift
      ;;
    --chief | --port)
      [ -n "${2-}" ] || refuse 2 usage "\`$1\` needs a value" 'give the address of the first machine, and a port that is free there'
      SRPO_RUN_MET=yes flags+=("$1" "$2")
      shift
      ;;
    --detach | --dry-run) flags+=("$1") ;;
    --secrets-on-stdin) on_stdin=yes && flags+=("$1") ;;
    *) refuse 2 usage "unknown argument \`$1\`" "give any of \`--run-id ID\`, \`--detach\`, \`--dry-run\`, \`--secrets-on-stdin\`, \`--node I\`, \`--chief ADDRESS\`, \`--port PORT\`" ;;
  esac
  shift
done
[ "$(uname -s)" = Linux ] || refuse 2 target-not-linux 'jobs run on Linux' 'use a transport that reaches a Linux machine'

here=$(CDPATH='' cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd) || exit
name='' workspace='' secrets=() python_candidates=()
# shellcheck source=/dev/null
. "$here/settings.sh" || refuse 2 bundle-incomplete "\`settings.sh\` does not lie beside \`launch.sh\` in \`$here\`" 'unpack the whole bundle'

missing=''
for secret in "${secrets[@]}"; do
  [ -n "$on_stdin" ] || [ -n "${!secret+set}" ] || missing="$missing \`$secret\`"
done
[ -z "$missing" ] || refuse 2 secret-missing "the environment does not hold$missing" 'export each of them and launch again'

python=''
for candidate in "${python_candidates[@]}"; do
  python=$("$candidate" -I -c 'import ctypes, fcntl, sys
if sys.version_info >= (3, 9): print(sys.executable)' 2>/dev/null </dev/null)
  [ -x "$python" ] && break
  python=''
done
asked="no Python of 3.9 or newer answers; asked were \`${python_candidates[*]}\`"
if [ -n "$python" ]; then
  printf -v supervisor '%q -I "${BASH_SOURCE[0]%%/*}/bundle/supervise.py"' "$python"
elif [ ! -e "$here/supervise.sh" ]; then
  refuse 69 python-missing "$asked" 'install python3 on this machine'
elif [ -e "$here/end.sh" ]; then
  refuse 69 python-missing "$asked, and the command after the end (\`[end]\`) needs one" 'install python3 on this machine, or leave `[end]` out'
elif [ -n "$SRPO_RUN_MET" ]; then
  refuse 69 python-missing "$asked, and a run of several machines needs one on each" 'install python3 on this machine'
elif [ -e "$here/deliver.py" ]; then
  refuse 69 python-missing "$asked, and taking over what a script launches needs one" 'install python3 on this machine, or give the whole command as `entry.command`'
else
  for program in flock setsid dd stat sync realpath head tail tr sort wc grep sed od; do
    type -P "$program" >/dev/null ||
      refuse 69 python-missing "$asked, and bash cannot supervise without \`$program\`" "install python3 or \`$program\` on this machine"
  done
  ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 404)) ||
    refuse 69 python-missing "$asked, and bash $BASH_VERSION is too old to supervise" 'install python3, or bash of 4.4 or newer, on this machine'
  supervisor='"$BASH" --noprofile --norc "${BASH_SOURCE[0]%/*}/bundle/supervise.sh"'
fi

[ -n "$id" ] || id=$name-$(date -u +%Y%m%dT%H%M%SZ)-$(od -An -N3 -tx1 /dev/urandom | tr -d ' \n')
case $id in
  [.-]* | *[!A-Za-z0-9._-]*) refuse 2 run-id "\`$id\` is no run id" "use letters, digits, \`.\`, \`_\` and \`-\`" ;;
esac
run=$workspace/.srpo/runs/$id
put() { # NAME TEXT: whole at every moment, as machines that share the folder read it meanwhile
  printf '%s\n' "$2" >"$run/$1.$HOSTNAME.$$" && mv -f -- "$run/$1.$HOSTNAME.$$" "$run/$1"
}
(umask 077 && mkdir -p -- "$run" && chmod 700 -- "$run" && put supervisor "exec $supervisor \"\$@\"" &&
  { [ -z "$python" ] || put python "$python"; }) ||
  refuse 73 run-unwritable "the run's folder \`$run\` could not be made" 'choose a workspace that can be written to'
if ! [ "$here" -ef "$run/bundle" ]; then
  [ ! -e "$run/bundle" ] || refuse 73 run-used "run \`$id\` has another bundle" "leave \`--run-id\` out, or choose a new one"
  (umask 077 && cp -R -- "$here" "$run/bundle.$$" && mv -- "$run/bundle.$$" "$run/bundle") ||
    refuse 73 run-unwritable "the bundle could not be copied to \`$run\`" 'see whether its disk is full'
fi

export SRPO_BASH=$BASH
unset BASH_ENV ENV
exec "$BASH" --noprofile --norc "$run/supervisor" launch "$run/attempt-1/node-$SRPO_RUN_NODE" "${flags[@]}" --secrets "${secrets[@]}"
