#!/usr/bin/env bash
# The weaker supervisor, where no Python answers: the files, verbs and answers of supervise.py (`docs/run-folder.md`).
# `hold` starts the job and waits for its status, `watch` decides and ends it; when `watch` dies, `hold` starts another.
# Needs bash 4.4, coreutils, util-linux (flock, setsid), grep and sed. Nothing that it starts but the job carries the marker.
# shellcheck disable=SC1090,SC1091,SC2015,SC2016,SC2034,SC2154 # as in the files that it sources

set +o posix
shopt -s nullglob globstar
shopt -u patsub_replacement 2>/dev/null
mapfile -t found < <(compgen -A function) && unset -f "${found[@]}"
mapfile -d '' -t inherited <"/proc/$$/environ"
for found in "${inherited[@]}"; do [[ $found =~ ^([a-z_][a-z0-9_]*)= ]] && unset "${BASH_REMATCH[1]}"; done
export LC_ALL=C
umask=$(umask)

WEAKER='no Python of 3.9 or newer answers on this machine, so bash supervises. Its promises are weaker: no progress, phases or warnings are read from the log, and no stall or endless loop is seen; a checkpoint is waited for once its first file is there; no digests are computed; a process whose environment was emptied, or a number that was given to another process, is not recognised; the exit status is lost when the process that waits for it is killed, and a stop that outlives its supervisor begins anew'
KILL=2000 # hundredths of a second: how long it is tried
PATIENCE=2000 # with a folder that is gone
CHUNK=1048576
ERROR='^([A-Za-z_][A-Za-z0-9_]*\.)*([A-Z][A-Za-z0-9_]*)?(Error|Exception|Interrupt|Exit|Timeout)(:|$)|^([A-Za-z0-9_./-]+: )?error: |^error\['

here=${BASH_SOURCE[0]%/*}
for found in texts folder artifacts; do . "$here/bash/$found.sh" || exit 70; done

hold() { # NODE_DIR DRY_RUN: start the job, recorded before it runs; wait for its status; keep a supervisor alive
  local dry_run=$2 leader start watcher='' watched='' own boot code by_signal=yes died='' tries=0
  heed
  place "$1" && rules && umask 077
  exec 7<> <(:) 9>>"$node/lock"
  flock -w 1 9 || holder_named
  (set -o noclobber && printf '%1536s' '' >"$node/slots") 2>/dev/null || refuse 73 run-used "run \`$run\` was started before" 'start a new run'
  : >>"$events" && : >>"$node/log" && remember && sync -- "$node/slots" "$node/before" "$node" ||
    refuse 70 files "nothing can be written to \`$node\`" 'see whether its disk is full'
  warn supervisor-weaker "$WEAKER" 'install python3 on this machine for the next run'
  coproc LEADER { # it waits for its record; when nobody lives to write that, it ends
    trap - TERM HUP
    read -r found && [ "$found" = go ] || exit 71
    job leader.sh ${dry_run:+SRPO_DRY_RUN=1} </dev/null
  } >>"$node/log" 2>&1
  leader=$LEADER_PID
  began "$leader" && start=$REPLY && began $$ && own=$REPLY
  read -r boot </proc/sys/kernel/random/boot_id
  watch_over && stamp
  fill 0 "{\"pid\": $leader, \"start\": $start, \"boot\": \"$boot\", \"outer\": [$$, $own], \"inner\": [$watcher, $watched], \"time\": \"$REPLY\", \"run\": \"$run\"}"
  printf 'go\n' >&"${LEADER[1]}"
  printf 'go\n'
  exec </dev/null >/dev/null 2>&1
  while :; do
    tick
    removed || gone=$clock
    if [ "$signalled" != "$passed" ]; then
      passed=$signalled
      ask_to_stop || ! same "$watcher" "$watched" || kill "-$passed" "$watcher"
    fi
    if [ "$leader" ] && ! same "$leader" "$start"; then
      jobs -l >&7 # it alone tells 137 from KILL, and in a subshell it would forget
      while read -r -t 0.05 -u 7 found; do [[ ! $found =~ \ $leader\ +(Exit|Done) ]] || by_signal=''; done
      wait "$leader"
      code=$? leader='' && stamp
      [ -z "$by_signal" ] || ((code <= 128)) || code=$((128 - code))
      fill 1 "{\"code\": $code, \"time\": \"$REPLY\"}"
    fi
    if ! same "$watcher" "$watched"; then
      slots "$node"
      if [ "${slot[2]}" ]; then
        conclude && break
      elif ((gone < clock)); then # so is the program of who decides
        tree
        [ ${#left[@]} -gt 0 ] || break
        ((clock - gone < PATIENCE)) || kill -KILL "${left[@]}"
      elif ((tries < 20)); then
        [ ! -e "$0" ] || { tries=$((tries + 1)) died=$watcher && watch_over && enroll $$ "$own" "$watcher" "$watched"; }
      elif [ -z "$leader" ]; then
        break
      fi
    fi
    idle 0.2
  done
}

heed() { # signals that ask for a stop; a trap may change nothing that what it interrupts uses
  trap : HUP
  trap 'signalled=${signalled:-15}' TERM
  trap 'signalled=${signalled:-2}' INT
}

ask_to_stop() { # as the signal does; written, so that no death forgets it
  [ -e "$node/stop.req" ] || put "$node/stop.req" "$(request "signal $signalled to the supervisor" null)"
}

removed() { # whether the run's folder is gone, and not just out of reach
  [ ! -e "$node" ] && [[ $(stat -- "$node" 2>&1) == *': No such file or directory' ]] && [ -d "${run_folder%/*}" ]
}

enroll() { # OUTER ITS_START INNER ITS_START: who supervises now
  slots "$node"
  [[ ${slot[0]} =~ ^(.*\"outer\":\ \[)[0-9,\ ]*(\],\ \"inner\":\ \[)[0-9,\ ]*(\].*)$ ]] || return
  fill 0 "${BASH_REMATCH[1]}$1, $2${BASH_REMATCH[2]}$3, $4${BASH_REMATCH[3]}"
}

watch_over() { # start who decides
  passed=$signalled
  (
    set -- setsid "$BASH" --noprofile --norc "$0" watch "$node" "$leader" "$start" $$ "$own" "$dry_run" "$died" "$passed"
    as_inherited
    trap - INT
    exec "$@" </dev/null >/dev/null 2>&1 7>&-
  ) &
  watcher=$!
  began "$watcher" && watched=$REPLY
}

go_on() { # NODE_DIR: decide in place of both who died; the status is lost with the one who waited for it
  place "$1"
  exec 9>>"$node/lock"
  flock -n 9 && slots "$node" || exit
  [[ ${slot[0]} =~ \"pid\":\ ([0-9]+),\ \"start\":\ ([0-9]+),.*\"outer\":\ \[([0-9]+),\ ([0-9]+) ]] || exit
  adopted=yes
  set -- "$1" "${BASH_REMATCH[@]:1}"
  began $$ && enroll $$ "$REPLY" $$ "$REPLY"
  same "$2" "$3" && found='a trainer that still runs' || found='what is left'
  tell warning.raised "\"code\": \"run-adopted\", \"message\": \"both supervisors died; a new one goes on with $found\""
  watch "$@" '' '' ''
}

holder_named() {
  slots "$node"
  words "${slot[0]}" time
  [[ ${slot[0]} =~ \"outer\":\ \[([0-9]+) ]]
  refuse 75 run-busy "process ${BASH_REMATCH[1]-?} has supervised run \`$run\` since ${REPLY:-?}" 'follow it, or stop it first'
}

watch() { # NODE_DIR LEADER START HOLDER ITS_START DRY_RUN DIED SIGNALLED: decide, and take the run to its end
  leader=$2 start=$3 holder=$4 holder_start=$5 dry_run=$6 signalled=$8
  local line names=() entered=0 empty=0
  heed
  place "$1" && rules && umask 077
  hundredths "$grace_seconds" && grace=$REPLY
  for line in "${inherited[@]}"; do [[ " ${secrets[*]} " == *" ${line%%=*} "* ]] && mapfile -t -O ${#hidden[@]} hidden < <(printf '%s\n' "${line#*=}"); done
  for line in "${!hidden[@]}"; do ((${#hidden[line]} >= 6)) || unset "hidden[line]"; done
  exec 7<> <(:)
  while IFS= read -r line; do before[$line]=yes; done <"$node/before"
  read -r line found </proc/uptime && uptime=$((10#${line/./})) && look ''
  [ -z "$7" ] || mourn "$7" "$holder"
  slots "$node"
  while [ -z "${slot[2]}" ]; do
    [ "$adopted" ] || same "$holder" "$holder_start" || mourn "$holder" $$
    tick
    removed || gone=$clock
    ended
    mapfile -t -s $entered names <"$node/phases" || names=()
    for line in "${names[@]}"; do
      entered=$((entered + 1)) && enter "$line"
      [ "$line" != job ] || { started=yes && told job.started || tell job.started; }
    done
    ((clock - looked < 50)) || look ''
    listen
    [ "$cause" ] || [ "$status" ] || decide
    if [ "$cause" ] || [ "$status" ]; then
      emptied && ((++empty > 1)) && break
    fi
    if ((deadline)); then idle 0.1; else idle 0.25; fi
  done 2>/dev/null
  if [ -z "${slot[2]}" ]; then
    look last
    verdict && run_script && record
  fi
  same "$holder" "$holder_start" || conclude
}

mourn() { # PID OTHER: say who of the two died
  [ "$mourned" = "$1" ] ||
    warn supervisor-died "one of two supervisors, process $1, died; the other one goes on" "ask for the run's status if this one (process $2) dies, too: that starts new ones"
  mourned=$1
}

ended() { # `status`, once the job is over: the holder's word, or `lost` where that died first
  [ -z "$status" ] && ! same "$leader" "$start" || return
  slots "$node"
  words "${slot[1]}" code
  status=$REPLY
  [ "$status" ] || { same "$holder" "$holder_start" && ((gone == clock)); } || status=lost
}

enter() { # PHASE
  json "$1" && phase=$1
  told phase.started "\"phase\": $REPLY}" || tell phase.started "\"phase\": $REPLY"
}

listen() { # the stop that was asked for; an empty file asks for one as well
  [ -z "$signalled" ] || [ "$asked" ] || { asked="signal $signalled to the supervisor" && ask_to_stop; }
  [ -e "$node/stop.req" ] || return
  local text
  text=$(<"$node/stop.req")
  words "$text" reason && asked=${REPLY:-a stop was asked for}
  words "$text" checkpoint_seconds
  if [[ $REPLY =~ ^[0-9]+(\.[0-9]*)?$ ]]; then
    checkpoint_seconds=$REPLY
    hundredths "$REPLY" && ((patience <= clock + REPLY)) || patience=$((clock + REPLY))
  fi
  words "$text" grace_seconds
  [[ $REPLY =~ ^[0-9]+(\.[0-9]*)?$ ]] || return
  hundredths "$REPLY" && grace=$REPLY
  ((deadline <= clock + grace)) || deadline=$((clock + grace))
}

decide() {
  if [ "$asked" ]; then
    begin stop "$asked"
  elif ((clock - gone >= PATIENCE)); then
    begin stop "the run's folder was removed, and nobody could stop it any more"
  elif [ "$max_hours" ] && hundredths "$max_seconds" && ((uptime - start > REPLY)); then
    begin stop "max_hours ($max_hours) passed"
  elif [ "$started" ] && [ -z "$dry_run" ] && ! lacking; then
    begin 'done' 'the done rule holds'
  fi
}

begin() { # CAUSE REASON
  cause=$1 reason=$2 begun=$clock whole_then=${#whole[@]}
  hundredths "$checkpoint_seconds" && patience=$((clock + REPLY))
  if [ "$cause" = 'done' ]; then enter ending; else json "$reason" && { told stop.asked || tell stop.asked "\"reason\": $REPLY"; }; fi
}

saving() { # whether TERM would cut the checkpoint that was being written when the end began
  [ -z "$status" ] && ((${#whole[@]} <= whole_then && clock < patience)) || return
  { [ "$cause" = stop ] && ((looked < begun)); } || [ "$writing" ]
}

emptied() { # the end, one step on: wait for a checkpoint, TERM to the group, TERM to who is left, KILL
  local pid waits=''
  if ((deadline == 0)); then
    ! saving || return
    deadline=$((clock + grace))
    tree
    for pid in "${left[@]}"; do [[ $(<"/proc/$pid/stat") != *\)\ ?\ +([0-9])\ "$leader "* ]] || remind "$pid"; done
    [ "$status" ] || kill -TERM -- "-$leader"
  fi
  tree
  if ((${#left[@]} == 0)); then [ "$status" ] && return; fi
  if ((clock >= deadline)); then
    killing=${killing:-$clock}
    [ ${#left[@]} -eq 0 ] || kill -KILL "${left[@]}"
    ((clock - killing >= KILL)) || return
    unkillable=("${left[@]}")
    warn unkillable "KILL does not reach ${left[*]}"
    return 0
  fi
  for pid in "${left[@]}"; do began "$pid" && [ "${reminded[$pid:$REPLY]-}" ] && waits=yes; done
  [ "$waits" ] || for pid in "${left[@]}"; do kill -TERM "$pid" && remind "$pid"; done
  return 1
}

remind() { # PID: it was told to end
  began "$1" && reminded[$1:$REPLY]=yes
}

verdict() { # `outcome` and `reason`
  local missing='' error
  outcome=failed
  if [ "$cause" ]; then lacking; else lacking "$status"; fi && missing=$REPLY
  error=$(tail -c $CHUNK -- "$node/log" | tr '\r' '\n' | grep -aE "$ERROR" | tail -n 1)
  if [ "$cause" = 'done' ] || { [ -z "$missing" ] && [ -z "$dry_run" ]; }; then
    outcome=succeeded reason='the done rule holds'
  elif [ "$cause" ]; then
    outcome=stopped
  elif [ "$status$dry_run" = 0yes ]; then
    outcome=succeeded reason='dry run'
  elif [ "$status" = 0 ]; then
    outcome=unverified reason="exit status 0 with $missing"
  elif [ "$status$adopted" = lostyes ]; then
    outcome=lost reason='its supervisors died'
  elif [ "$status" = lost ]; then
    outcome=unverified reason="its exit status is lost, as the process that waited for it was killed: $missing"
  elif [ "$status" = 71 ] && [ -z "$phase" ]; then
    reason='it was never started'
  elif [ "$status" = 78 ] && [ "$phase" = checks ]; then
    reason="checks refused to start the trainer"
  else
    ((status < 0)) && reason="killed by signal ${status#-}" || reason="exit status $status"
  fi
  [[ $outcome == @(succeeded|stopped|lost) || -z $error ]] || reason+=": $error"
  json "$reason" && rest=$REPLY && take_text && reason=$REPLY # without secrets
}

run_script() { # the steps for every end, once, inside the grace
  local script code=''
  [ -e "$bundle/on_stop.sh" ] && ! [ -e "$node/on_stop.begun" ] || return 0
  : >"$node/on_stop.begun"
  (job on_stop.sh "SRPO_RUN_OUTCOME=$outcome") </dev/null >>"$node/log" 2>&1 &
  script=$! deadline=$((clock + grace))
  while kill -0 $script && ((clock < deadline)); do idle 0.1 || tick; done
  if kill -0 $script; then code='did not end inside the grace'; else wait $script || code="ended with $?"; fi
  [ -z "$code" ] || warn on-stop-failed "the steps for the end $code"
  deadline=$clock killing='' status=${status:-lost}
  until emptied; do idle 0.1 || tick; done
} 2>/dev/null

record() { # the end, durably
  local checkpoints images files result line code=$status
  [ "$code" != lost ] || code=null
  for found in "${!partial[@]}"; do
    warn checkpoint-torn "checkpoint \`$found\` is not whole: ${partial[$found]}" 'see whether the disk is full, or the trainer was killed while saving; the files are kept'
    size_of "$found" && partial[$found]=$REPLY
  done
  objects whole ', "whole": true, "files": []' && checkpoints=$REPLY
  objects partial ', "whole": false, "files": []' && checkpoints+=${REPLY:+${checkpoints:+, }$REPLY}
  objects results && files=$REPLY
  for found in "${!pictures[@]}"; do size_of "$found" && pictures[$found]=$REPLY; done
  objects pictures && images=$REPLY
  stamp && result="\"format\": 1, \"run\": \"$run\", \"plan\": \"$plan\", \"dry_run\": $([ "$dry_run" ] && echo true || echo false), \"ended\": \"$REPLY\""
  short "$reason" 400 && json "$REPLY"
  result+=", \"outcome\": \"$outcome\", \"exit\": $code, \"reason\": $REPLY, \"unkillable\": [$(listed "${unkillable[@]}")]"
  put "$node/result.json" "{$result, \"checkpoints\": [$checkpoints], \"files\": [$files], \"images\": [$images]}" ||
    warn result-unwritten '`result.json` could not be written'
  short "$reason" 120 && json "$REPLY"
  line=$REPLY && stamp
  fill 2 "{\"outcome\": \"$outcome\", \"reason\": $line, \"time\": \"$REPLY\", \"checkpoints\": ${#whole[@]}, \"images\": ${#pictures[@]}, \"unkillable\": [$(listed "${unkillable[@]:0:8}")]}"
}

conclude() { # the last event, by whoever of the two goes last: readers find the lock free soon after
  local end
  slots "$node"
  field "${slot[2]}" outcome && end="\"outcome\": $REPLY"
  field "${slot[1]}" code && end+=", \"exit\": $REPLY"
  field "${slot[2]}" reason && tell run.ended "$end, \"reason\": $REPLY"
}

# Verbs ------------------------------------------------------------------------------------------------------------

launch() { # NODE_DIR [--detach] [--dry-run] [--secrets-on-stdin] [--secrets NAME...]
  local detach='' dry_run='' on_stdin='' names=() values=() holder one other missing=''
  place "$1" && shift && rules
  while [ $# -gt 0 ]; do
    case $1 in
      --detach) detach=yes ;;
      --dry-run) dry_run=yes ;;
      --secrets-on-stdin) on_stdin=yes ;;
      --secrets) names=("${@:2}") && break ;;
    esac
    shift
  done
  gather
  for one in "${!given[@]}"; do values+=("${one#x}=${given[$one]}"); done
  exec 6>>"${run_folder%/*}/.$name.launch" && flock 6
  for other in "${run_folder%/*}/$name"-*/attempt-*/node-*/; do
    one=${other#"${run_folder%/*}/"} one=${one%%/*}
    [[ $one != "$run" && $one =~ ^"$name"-[0-9]{8}T[0-9]{6}Z-[^-]{6}$ ]] && slots "$other" || continue
    if held "$other/lock" || { [[ ${slot[0]} == *"\"run\": \"$one\""* ]] && supervisor; }; then
      refuse 75 already-running "run \`$one\` of this name has not ended" 'attach to it, or stop it'
    elif [ "${slot[0]}" ] && [ -z "${slot[2]}" ] && [ ! -e "$other/result.json" ] && run=$one tree && [ ${#left[@]} -gt 0 ]; then
      refuse 75 run-lives "run \`$one\` of this name lost its supervisors, and its processes live: $(listed "${left[@]}")" "\`srpo-manifest status $one\` takes it over: then stop it"
    fi
  done
  (umask 077 && mkdir -p -- "$node") || refuse 70 files "\`$node\` could not be made" 'see whether its disk is full'
  exec 5< <(
    set -- setsid "$BASH" --noprofile --norc "$0" hold "$node" "$dry_run"
    as_inherited "${values[@]}"
    exec "$@" </dev/null 6>&-
  )
  holder=$!
  read -r found <&5
  exec 6>&-
  if [ "$found" != go ]; then
    wait "$holder"
    missing=$?
    ((missing == 0 || missing > 128)) || exit "$missing"
    slots "$node"
    [ "${slot[0]}" ] || refuse 70 not-started "the supervisor of \`$run\` died before the job started" 'launch it again'
  fi
  json "$node" && one="{\"format\": 1, \"run\": \"$run\", \"folder\": $REPLY, \"pid\": $holder}"
  if [ "$detach" ]; then printf '%s\n' "$one"; else printf '%s\n' "$one" >&2 && . "$here/bash/answers.sh" && attend; fi
}

gather() { # secrets by name, into `given`: from standard input or the environment, and from files of this machine
  local one file
  if [ "$on_stdin" ]; then
    take_object "$(cat)" || refuse 2 secrets-unreadable 'standard input is not one JSON object of names and texts' 'leave `--secrets-on-stdin` out to use the environment'
  fi
  for one in "${names[@]}"; do
    if [ "$on_stdin" ]; then [ "${given[x$one]+set}" ]; else [[ " ${inherited[*]%%=*} " == *" $one "* ]]; fi || missing+="${missing:+, }\`$one\`"
  done
  [ -z "$missing" ] || refuse 2 secret-missing "no value was given for $missing" 'give each of them and launch again'
  for one in "${!target_files[@]}"; do
    file=${target_files[$one]}
    file=${file/#~\//$HOME/}
    [[ $file == /* ]] || file=$workspace/$file
    { found=$(<"$file"); } 2>/dev/null || refuse 2 secret-missing "\`$file\`, which holds \`$one\`, cannot be read" 'put the value into that file on this machine'
    while [[ $found == *[$'\r\n'] ]]; do found=${found%?}; done
    given["x$one"]=$found
  done
}

declare -A given=() before=() seen=() since=() whole=() whole_before=() partial=() pictures=() results=() reminded=() target_files=()
hidden=() unkillable=() damaged=() slot=() torn='' phase='' status='' asked='' started='' cause='' reason='' killing='' adopted='' mourned='' signalled='' passed='' deadline=0 clock=0 looked=0 gone=0
case ${1-} in
  launch | hold | watch | go_on) "$@" ;;
  status | stop | follow | seek | tidy | adopt | runs | checks | port) . "$here/bash/answers.sh" && "$@" ;;
  *) refuse 2 usage "unknown verb \`${1-}\`" 'give one of `launch`, `status`, `stop`, `follow`, `seek`, `tidy`, `adopt`, `runs`, `checks` or `port`' ;;
esac
