# Sourced by supervise.sh: what is asked of a run, of all runs, and by the job itself.
# shellcheck shell=bash disable=SC2004,SC2153,SC2015,SC2016,SC2034,SC2154 # the files share variables; `a && b || c` has a `b` that holds

NUMBER='^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?$'

attend() { # show the log until the end; an interruption asks for a stop
  local offset=1 alive=yes size one
  trap 'ask "signal 2 to the launcher" null' INT
  trap 'ask "signal 15 to the launcher" null' TERM
  exec 7<> <(:)
  while [ "$alive" ]; do
    held "$node/lock" || alive=''
    size=$(stat -c %s -- "$node/log")
    tail -c +$offset -- "$node/log" | head -c $((size - offset + 1)) && offset=$((size + 1))
    idle 0.1
  done
  describe && one=$REPLY
  words "$one" outcome && outcome=$REPLY
  words "$one" reason && printf '%s: %s\n' "$outcome" "$REPLY" >&2
  [ "$outcome" = succeeded ]
}

describe() { # the state as JSON, in REPLY, and its parts
  local alive=false phase started ended code line size result origin checkpoints=() warnings
  local -A every=()
  state=pending outcome=null reason=null unfinished=false
  ! held "$node/lock" || alive=true
  slots "$node"
  words "${slot[0]}" run && origin=${REPLY:-$run}
  [ "${slot[2]}" ] || [ "$origin" != "$run" ] || ! supervisor || alive=true
  { result=$(<"$node/result.json"); } 2>/dev/null
  [[ -z $result || $result == '{'*'}' ]] || { damaged+=('"result.json"') && result=''; }
  phase=$(grep -aE '"event": "phase.started".*\}$' "$events" 2>/dev/null | tail -n 1)
  field "$phase" phase && phase=$REPLY
  if [ $alive = false ] && [ "${slot[2]}$result" ]; then
    state=ended
    field "${slot[2]:-$result}" outcome && outcome=$REPLY
    field "${result:-${slot[2]}}" reason && reason=$REPLY
  elif [ $alive = false ] && [ -e "$node/slots" ]; then
    state=ended outcome='"lost"'
    read -r line </proc/sys/kernel/random/boot_id
    if [ "$origin" != "$run" ]; then reason="\"its folder is a copy of that of run \`$origin\`\""
    elif [ -z "${slot[0]}" ]; then reason='"its supervisors died before the job started"'
    elif [[ ${slot[0]} == *"$line"* ]]; then reason='"its supervisors died"' unfinished=true
    else reason='"the machine was restarted"'; fi
  elif [ "${slot[1]}${slot[2]}" ] || [ "$phase" = '"ending"' ] || [ -e "$node/stop.req" ] || told stop.asked; then
    state=stopping
  elif [ "${slot[0]}" ]; then
    told job.started && state=running || state=preparing
  fi
  field "${slot[1]}" code && code=$REPLY
  [ "$code" != null ] || { field "$result" exit && code=$REPLY; }
  field "${slot[0]}" time && started=$REPLY
  field "${slot[2]:-${result/\"ended\":/\"time\":}}" time && ended=$REPLY
  while IFS= read -r line; do every[${line%, *}]=${line##*: }; done < <(sed -nE "s/.*\"event\": \"checkpoint.written\".*(\"path\": $TEXT, \"bytes\": [0-9]+)\}\$/\1/p" "$events" 2>/dev/null)
  for line in "${!every[@]}"; do
    words "{$line}" path && size_of "$REPLY"
    checkpoints+=("{$line, \"bytes\": ${every[$line]}, \"whole\": $([ "$REPLY" = "${every[$line]}" ] && echo true || echo false)}")
  done
  while IFS= read -r line; do checkpoints+=("{$line}"); done < <(grep -oE "\"path\": $TEXT, \"bytes\": [0-9]+, \"whole\": false" <<<"$result")
  mapfile -t warnings < <(sed -nE 's/^\{"format": 1, ("time": "[^"]*"), "event": "warning.raised", "run": "[^"]*", (.*)$/{\1, \2/p' "$events" 2>/dev/null)
  size=$(sed -nE "s/.*\"event\": \"image.written\".*(\"path\": $TEXT).*/\1/p" "$events" 2>/dev/null | sort -u | wc -l)
  REPLY="{\"format\": 1, \"run\": \"$run\", \"state\": \"$state\", \"outcome\": $outcome, \"exit\": $code, \"reason\": $reason, \"phase\": $phase, \"alive\": $alive, \"progress\": null, \"checkpoints\": [$(listed "${checkpoints[@]}")], \"images\": $size, \"warnings\": [$(listed "${warnings[@]}")], \"started\": $started, \"ended\": $ended, \"damaged\": [$(listed "${damaged[@]}")], \"unfinished\": $unfinished}"
}

status() { # NODE_DIR
  place "$1" && describe && printf '%s\n' "$REPLY"
}

ask() { # REASON GRACE CHECKPOINT: on a full disk a signal is the request
  put "$node/stop.req" "$(request "$@")" && return
  slots "$node"
  supervisor && kill -TERM "$REPLY"
}

stop() { # NODE_DIR [--grace SECONDS] [--checkpoint SECONDS] [--reason TEXT]
  local grace=null checkpoint=null why='a stop was asked for'
  place "$1" && shift
  [ -d "$node" ] || refuse 66 run-unknown "there is no run in \`$node\`" 'name the folder of one of its nodes'
  while [ $# -gt 1 ]; do
    case $1 in --grace) grace=$2 ;; --checkpoint) checkpoint=$2 ;; --reason) why=$2 ;; esac
    shift 2
  done
  revive
  if [ "$state" = ended ]; then printf 'note: run `%s` has ended already: %s\n' "$run" "${outcome//\"/}" >&2; else ask "$why" "$grace" "$checkpoint" && describe; fi
  printf '%s\n' "$REPLY"
}

follow() { # NODE_DIR --events N [--log N] [--wait SECONDS] [--events-mark MARK] [--log-mark MARK]
  local events_at=0 log_at='' wait=0 events_mark='' log_mark='' from events_from log_from=0 new=0 lines written=0 alive
  place "$1" && shift
  while [ $# -gt 1 ]; do
    case $1 in
      --events) events_at=$2 ;;
      --log) log_at=$2 ;;
      --wait) hundredths "$2" && wait=$REPLY ;;
      --events-mark) events_mark=$2 ;;
      --log-mark) log_mark=$2 ;;
    esac
    shift 2
  done
  exec 7<> <(:)
  tick && wait=$((wait + clock))
  while :; do
    held "$node/lock" && alive=yes || alive=''
    part "$events" "$events_at" "$events_mark" && events_from=$from
    lines=$(tail -c "+$((from + 1))" -- "$events" 2>/dev/null | head -c "$REPLY" | wc -l)
    new=$(tail -c "+$((from + 1))" -- "$events" 2>/dev/null | head -n "$lines" | wc -c)
    [ -z "$log_at" ] || { part "$node/log" "$log_at" "$log_mark" && log_from=$from written=$REPLY; }
    ((new + written > 0 || events_from != events_at || log_from != ${log_at:-0} || clock >= wait)) && break
    [ -z "$alive" ] && [ -e "$node/slots" ] && break
    idle 0.1 || tick
  done
  describe
  [ -z "$alive" ] || [ "$state" != ended ] || state=stopping
  mark "$events" $((events_from + new)) && events_mark=$REPLY
  [ -z "$log_at" ] || { mark "$node/log" $((log_from + written)) && log_mark=$REPLY; }
  printf '{"events": %d, "log": %d, "state": "%s", "unfinished": %s, "events_from": %d, "log_from": %d, "events_mark": "%s", "log_mark": "%s"}\n' \
    "$new" "$written" "$state" "$unfinished" "$events_from" "$log_from" "$events_mark" "$log_mark"
  ((new == 0)) || tail -c "+$((events_from + 1))" -- "$events" | head -c "$new"
  ((written == 0)) || tail -c "+$((log_from + 1))" -- "$node/log" | head -c "$written"
}

part() { # FILE OFFSET MARK: from where on it is shown, and how many bytes, at most a chunk; as `part` of supervise.py
  local size
  from=$2
  size=$(stat -c %s -- "$1" 2>/dev/null)
  if [ "$3" ] && [ "${seen[$1]-none}" != "$size" ]; then
    mark "$1" "$from"
    if ((${size:-0} < from)) || [ "$REPLY" != "$3" ]; then
      mark "$1" "${size:-0}"
      ((${size:-0} < from)) && [ "$size" ] && [ "${REPLY:0:8}" = "${3:0:8}" ] && from=$size || from=0
    fi
  fi
  seen[$1]=$size
  REPLY=$((${size:-0} - from)) REPLY=$((REPLY < 0 ? 0 : REPLY > CHUNK ? CHUNK : REPLY))
}

mark() { # FILE OFFSET: checksums of its first bytes and of those before the offset, by which it is known again
  local length=$(($2 < 256 ? $2 : 256)) text
  [ -e "$1" ] || { REPLY='' && return; }
  IFS= read -r -N "$length" text < <(head -c "$length" -- "$1" | tr '\0' ' ')
  crc "$text" && text=$REPLY
  IFS= read -r -N "$length" REPLY < <(tail -c "+$(($2 - length + 1))" -- "$1" | head -c "$length" | tr '\0' ' ')
  crc "$REPLY" && REPLY=$text$REPLY
}

seek() { # NODE_DIR [--lines N] [...]: where the log's last lines begin; nobody noted when it had which size
  local size offset=0
  place "$1"
  size=$(stat -c %s -- "$node/log" 2>/dev/null)
  [ "${2-}" != --lines ] || offset=$((${size:-0} - $(head -c "${size:-0}" -- "$node/log" 2>/dev/null | tail -n "$3" | wc -c)))
  printf '{"format": 1, "offset": %d, "timed": false}\n' "$offset"
}

adopt() { # NODE_DIR: go on with a run that lost both supervisors
  place "$1" && revive && printf '%s\n' "$REPLY"
}

revive() { # start who goes on with a run that needs it, then `describe`; what only has to be ended is waited for
  local tries=0
  describe
  [ "$unfinished" = true ] && [ -e "$node/before" ] && [ -O "$node" ] || return 0 # bash began it, for the same user
  exec 7<> <(:)
  (set -- setsid "$BASH" --noprofile --norc "$0" go_on "$node" && as_inherited && exec "$@" </dev/null >/dev/null 2>&1 7>&-) &
  until { slots "$node" && supervisor; } || [ "${slot[2]}" ] || ((++tries > 100)); do idle 0.05; done
  [[ ${slot[0]} =~ \"pid\":\ ([0-9]+),\ \"start\":\ ([0-9]+) ]] && tries=0
  until same "${BASH_REMATCH[@]:1}" || ! held "$node/lock" || ((++tries > 40)); do idle 0.05; done
  describe
}

tidy() { # NODE_DIR [--grace SECONDS]: end what a lost run left behind
  local pid told=() killing
  place "$1" && hundredths "${3:-10}" && killing=$REPLY
  export -n SRPO_RUN_ID
  ! held "$node/lock" || refuse 75 run-busy "run \`$run\` has a supervisor" 'stop it instead'
  exec 7<> <(:)
  tick && tree
  while ((${#left[@]} > 0 && clock < killing + KILL)); do
    for pid in "${left[@]}"; do
      [ "${reminded[$pid]-}" ] && ((clock < killing)) && continue
      [ "${reminded[$pid]-}" ] && kill -KILL "$pid" || kill -TERM "$pid"
      reminded[$pid]=yes
    done 2>/dev/null
    idle 0.1 || tick && tree
  done
  printf '{"format": 1, "run": "%s", "told": [%s], "left": [%s]}\n' "$run" "$(listed "${!reminded[@]}")" "$(listed "${left[@]}")"
  [ ${#left[@]} -eq 0 ]
}

runs() { # RUNS_FOLDER NAME: the newest first
  local folder at one plan whole result ids=()
  folder=$(realpath -- "$1") || exit 70
  for at in "$folder/$2"-*; do [[ ! ${at##*/} =~ ^"$2"-[0-9]{8}T[0-9]{6}Z-[^-]{6}$ ]] || ids=("$at" "${ids[@]}"); done
  for one in "${!ids[@]}"; do
    at=("${ids[one]}"/attempt-*/node-0 "${ids[one]}/attempt-1/node-0")
    place "${at[-2]:-${at[-1]}}" && revive
    plan=$(grep -m 1 -oE '"plan": ?"[0-9a-f]*"' "$bundle/rules.json" 2>/dev/null)
    field "{$plan}" plan && plan=${REPLY/null/\"\"} whole=false
    { result=$(<"$node/result.json"); } 2>/dev/null
    if [ "$outcome" = '"succeeded"' ] && [[ $result == *'"dry_run": false'* ]] && are_there "$result"; then whole=true; fi
    ids[one]="{\"id\": \"$run\", \"plan\": $plan, \"state\": \"$state\", \"outcome\": $outcome, \"whole\": $whole, \"unfinished\": $unfinished}"
  done
  printf '[%s]\n' "$(listed "${ids[@]}")"
}

are_there() { # RESULT: whether all that the run left is as it was
  local line size
  while IFS= read -r line; do
    size=${line##*\"bytes\": } && words "$line" path && size_of "$REPLY" && [ "$REPLY" = "${size%%[!0-9]*}" ] || return
  done < <(printf %s "${1%%\"images\": \[*}" | grep -oE "\"path\": $TEXT, \"bytes\": [0-9]+(, \"whole\": true|\})")
}

checks() { # inside the job: ask again what the plan could not know
  refused=''
  place "$SRPO_RUN_DIR" && rules
  cd -- "$cwd" || exit 70
  ask_checks
  [ -z "$refused" ] || exit 78
}

check() { # CODE LEVEL OP VALUE MESSAGE PROBE [HINT...]
  local answer holds='' message=$5 hints=("${@:7}") level=warning
  answer=$("${SRPO_BASH:-bash}" --noprofile --norc -c "$6" </dev/null) || answer=''
  answer=${answer#"${answer%%[! $'\t\n']*}"} answer=${answer%"${answer##*[! $'\t\n']}"}
  predicate "$3" "$answer" "$4"
  case $? in
    0) return ;;
    1) message=${message//'{found}'/${answer:-nothing}} && [ "$2" != deny ] || { level=error && refused=yes; } ;;
    *) message="check \`$1\` has no answer here" ;;
  esac
  json "$message" && tell warning.raised "\"code\": \"$1\", \"message\": $REPLY"
  printf '%s[%s]: %s\n' $level "$1" "$message"
  [ ${#hints[@]} -eq 0 ] || printf 'hint: %s\n' "${hints[@]}"
}

predicate() { # OP ANSWER VALUE: 0 where it holds, 1 where it does not, 2 where that cannot be told
  local one
  case $1 in
    present) [ "$2" ]; return ;;
    absent) [ -z "$2" ]; return ;;
  esac
  [ "$2" ] || return 2
  case $1 in
    one-of) while IFS= read -r one; do ! equal "$2" "$one" || return 0; done <<<"$3" ;;
    equals) equal "$2" "$3" ;;
    at-least) ordered "$3" "$2" ;;
    at-most) ordered "$2" "$3" ;;
    less-than) ordered "$2" "$3" && ! ordered "$3" "$2" ;;
    multiple-of) [[ $2$3 =~ ^[0-9]+$ ]] || return 2; ((10#$3 != 0 && 10#$2 % 10#$3 == 0)) ;;
  esac
}

equal() { # as numbers where both are
  [ "$1" = "$2" ] || { ordered "$1" "$2" && ordered "$2" "$1"; }
}

ordered() { # whether the first number is not larger; 2 where one is none
  [[ $1 =~ $NUMBER && $2 =~ $NUMBER ]] || return 2
  [ "$(printf '%s\n' "$1" "$2" | sort -gs | head -n 1)" = "$1" ]
}

port() { # inside the job: a TCP port that nobody uses, or the one of the plan where nobody listens
  local wanted table one
  place "$SRPO_RUN_DIR" && rules
  wanted=$port
  table=$(sed -nE 's/^ *[0-9]+: [0-9A-F]+:([0-9A-F]+) [0-9A-F]+:[0-9A-F]+ ([0-9A-F]+) .*/\1 \2/p' /proc/net/tcp /proc/net/tcp6 2>/dev/null)
  printf -v one %04X "${wanted:-0}"
  if [ "$wanted" ]; then
    if [[ $table == *"$one 0A"* ]]; then
      tell warning.raised "\"code\": \"port-taken\", \"message\": \"port $wanted cannot be used: somebody listens on it\""
      refuse 69 port-taken "port \`$wanted\` cannot be used on this machine: somebody listens on it" 'leave `resources.port` out, and each run gets a free one'
    fi
  else
    until printf -v one %04X $((wanted = 20000 + RANDOM % 12000)) && [[ $table != *"$one "* ]]; do :; done
  fi
  printf '%s\n' "$wanted"
}
