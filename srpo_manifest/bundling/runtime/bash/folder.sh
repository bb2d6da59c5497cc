# Sourced by supervise.sh: the run's folder and its processes.
# shellcheck shell=bash disable=SC2004,SC2015,SC2016,SC2034,SC2154 # the files share variables; `a && b || c` has a `b` that holds

CRC=(0 0x1db71064 0x3b6e20c8 0x26d930ac 0x76dc4190 0x6b6b51f4 0x4db26158 0x5005713c
  0xedb88320 0xf00f9344 0xd6d6a3e8 0xcb61b38c 0x9b64c2b0 0x86d3d2d4 0xa00ae278 0xbdbdf21c)

place() { # NODE_DIR: where everything lies
  node=$(realpath -m -- "$1") && [ -n "$node" ] || refuse 70 files "\`$1\` cannot be reached" 'see whether its disk is there'
  run_folder=${node%/*/*} bundle=${node%/*/*}/bundle run=${run_folder##*/}
  workspace=$(realpath -m -- "$run_folder/../../..") events=$node/events.jsonl
}

rules() { # what the plan said
  SRPO_RUN_ID=$run SRPO_RUN_DIR=$node
  # shellcheck source=/dev/null
  . "$bundle/rules.sh" 2>/dev/null && [ "${rules_format-}" = 1 ] ||
    refuse 2 bundle-incomplete "\`$bundle/rules.sh\` does not hold rules of format 1" 'unpack the whole bundle'
  plain "$cwd" && plain_cwd=$REPLY
}

crc() { # TEXT: as zlib.crc32
  local at byte crc=0xffffffff
  for ((at = 0; at < ${#1}; at++)); do
    printf -v byte %d "'${1:at:1}"
    crc=$((crc ^ (byte & 255))) crc=$((crc >> 4 ^ CRC[crc & 15])) crc=$((crc >> 4 ^ CRC[crc & 15]))
  done
  printf -v REPLY %08x $((crc ^ 0xffffffff))
}

fill() { # SLOT RECORD
  local record
  crc "$2" && printf -v record '%-512s' "$2#$REPLY"
  printf %s "$record" | dd of="$node/slots" bs=512 seek="$1" count=1 iflag=fullblock conv=notrunc,fsync status=none 2>/dev/null ||
    warn slot-unwritten "slot $1 could not be written"
}

slots() { # NODE_DIR: `slot`, a blank one for each that is blank or torn, and `damaged`
  local at
  slot=('' '' '') damaged=()
  [ -r "$1/slots" ] || return 0
  { for at in 0 1 2; do IFS= read -r -N 512 "slot[at]"; done; } <"$1/slots"
  for at in 0 1 2; do
    slot[at]=${slot[at]%"${slot[at]##*[! ]}"}
    [ -n "${slot[at]}" ] || continue
    crc "${slot[at]%#*}"
    [[ ${slot[at]} == *"#$REPLY" ]] && slot[at]=${slot[at]%#*} || { damaged+=("\"slot $at\"") slot[at]=''; }
  done
}

field() { # RECORD NAME: the JSON of one of its values
  [[ $1 =~ \"$2\":\ ?(($TEXT)|[^],}\ ]+) ]] && REPLY=${BASH_REMATCH[1]} || REPLY=null
}

words() { # RECORD NAME: the text or number of it; nothing for null
  field "$1" "$2"
  rest=$REPLY
  [ "$REPLY" != null ] || REPLY=''
  [[ $REPLY != \"* ]] || take_text
}

put() { # FILE TEXT: durably, or what was there stays
  { printf '%s\n' "$2" >"$1.$$" && sync -- "$1.$$" && mv -f -- "$1.$$" "$1" && sync -- "${1%/*}"; } 2>/dev/null ||
    { rm -f -- "$1.$$" && return 1; }
}

request() { # REASON GRACE [CHECKPOINT]: what `stop.req` holds
  stamp && found=$REPLY
  json "$1" && printf '{"time": "%s", "grace_seconds": %s, "checkpoint_seconds": %s, "reason": %s}' "$found" "$2" "${3-null}" "$REPLY"
}

tell() { # EVENT FIELDS
  stamp
  printf '%s{"format": 1, "time": "%s", "event": "%s", "run": "%s"%s}\n' "$torn" "$REPLY" "$1" "$run" "${2:+, $2}" \
    2>/dev/null >>"$events" && torn='' || torn=$'\n'
}

told() { # EVENT FIELDS: whether that was told, by this supervisor or by one before it
  grep -qF -- "\"event\": \"$1\", \"run\": \"$run\"${2:+, $2}" "$events" 2>/dev/null
}

warn() { # CODE MESSAGE [HINT]: once
  local fields hint=''
  told warning.raised "\"code\": \"$1\"" && return
  [ -z "${3-}" ] || { json "$3" && hint=", \"hints\": [$REPLY]"; }
  json "$2" && fields="\"code\": \"$1\", \"message\": $REPLY$hint"
  tell warning.raised "$fields"
}

supervisor() { # in REPLY: the outer one's number, as slot 0 tells it, or else the inner one's; whether one of them lives
  local boot name
  read -r boot </proc/sys/kernel/random/boot_id
  for name in outer inner; do
    [[ ${slot[0]} =~ \"boot\":\ \"$boot\".*\"$name\":\ \[([0-9]+),\ ([0-9]+) ]] && same "${BASH_REMATCH[@]:1}" && REPLY=${BASH_REMATCH[1]} && return
  done
  return 1
}

held() { # LOCK: whether a supervisor lives
  [ -e "$1" ] && ! flock -sn 8 8<"$1"
}

# Processes --------------------------------------------------------------------------------------------------------

began() { # PID: its start in ticks since boot, nothing where it is gone. Source: proc_pid_stat(5)
  local stat
  REPLY=''
  { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return
  # shellcheck disable=SC2206 # numbers
  stat=(${stat##*) })
  [[ ${stat[0]} != [ZX] ]] && REPLY=${stat[19]}
}

same() { # PID START: whether it is still that one
  began "$1" && [ "$REPLY" = "$2" ]
}

tree() { # the run's processes, by their marker, in `left`
  mapfile -t left < <(grep -lzxF -- "SRPO_RUN_ID=$run" /proc/[0-9]*/environ 2>/dev/null | sed 's/[^0-9]//g')
}

idle() { # SECONDS, without a process
  read -r -t "$1" -u 7 found
}

tick() { # `clock`, in hundredths of a second; time asleep with the machine does not count
  local up rest
  read -r up rest </proc/uptime
  up=$((10#${up/./})) clock=$((clock + (up - uptime > 1000 ? 25 : up - uptime))) uptime=$up
}

hundredths() { # SECONDS
  printf -v REPLY %.2f "${1:-0}" && REPLY=$((10#${REPLY/./}))
}

as_inherited() { # [NAME=VALUE...]: in a subshell, variables as whoever launched gave them, and these
  unset LC_ALL
  umask "$umask"
  set -- "${inherited[@]}" "$@"
  while [ $# -gt 0 ]; do
    case ${1%%=*} in
      '' | [0-9]* | *[!A-Za-z0-9_]* | BASH_ENV | ENV | SRPO_RUN_* | SRPO_DRY_RUN | BASHOPTS | SHELLOPTS | EUID | PPID | UID) ;;
      *) unset "${1%%=*}" && declare -gx "$1" ;;
    esac
    shift
  done
  unset BASH_ENV ENV SRPO_DRY_RUN "${!SRPO_RUN_@}"
}

job() { # SCRIPT [NAME=VALUE...]: become the bash that runs a script of the bundle
  local script=$bundle/$1 more=("SRPO_RUN_ID=$run" "SRPO_RUN_DIR=$node" SRPO_RUN_INDEX=0 SRPO_RUN_CHIEF=127.0.0.1 "SRPO_BUNDLE=$bundle" "${@:2}")
  cd -- "$node" || exit 70
  trap - INT QUIT
  { echo 500 >/proc/self/oom_score_adj; } 2>/dev/null
  set -- "${more[@]}" setsid "${SRPO_BASH:-bash}" --noprofile --norc "$script"
  as_inherited
  exec env "$@" 7>&- 9>&-
}
