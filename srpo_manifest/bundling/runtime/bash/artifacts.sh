# Sourced by supervise.sh: checkpoints, pictures and files that are wanted.
# shellcheck shell=bash disable=SC1003,SC2004,SC2015,SC2016,SC2034,SC2154 # the files share variables; `a && b || c` has a `b` that holds

REST=250 # hundredths of a second: how long a checkpoint must rest

matches() { # PATTERN, in the working directory: `matches`
  local IFS='' at=$1
  matches=()
  [ "$at" ] || return 0
  [[ $at == /* ]] || at=$plain_cwd/$at
  # shellcheck disable=SC2206 # the pattern is to be expanded
  matches=($at)
  [ ${#matches[@]} -ne 1 ] || [ -e "${matches[0]}" ] || [ -L "${matches[0]}" ] || matches=()
}

files() { # PATH: a line of identity, size and name for each of its files, in `lines`
  local file every=()
  if [ -d "$1" ]; then
    shopt -s dotglob
    for file in "$1"/**; do [ -d "$file" ] || every+=("$file"); done
    shopt -u dotglob
  else
    every=("$1")
  fi
  lines=()
  [ ${#every[@]} -eq 0 ] || mapfile -t lines < <(stat -L -c '%d:%i:%s:%.9Y %s %n' -- "${every[@]}" 2>/dev/null)
}

plain() { # TEXT as a pattern that means itself
  REPLY=${1//\\/'\\'} REPLY=${REPLY//'*'/'\*'} REPLY=${REPLY//'?'/'\?'} REPLY=${REPLY//'['/'\['}
}

remember() { # what is there before the run, so that no clock can make a file look newer
  local pattern path
  for pattern in "$checkpoints" "$images" "${done_files[@]}"; do
    matches "$pattern"
    for path in "${matches[@]}"; do files "$path" && printf '%s\n' "$path" "${lines[@]%% *}"; done
  done >"$node/before"
}

rested() { # PATH HUNDREDTHS: whether nothing moved for so long; whether it moved at all is kept
  [ "${seen[$1]-}" = "${lines[*]}" ] || since[$1]=$clock
  seen[$1]=${lines[*]}
  ((clock - since[$1] >= $2))
}

cut() { # FILE SIZE: whether it ends before its `.safetensors` header says
  local length ends
  (($2 > 0)) || return 0
  [[ $1 == *.safetensors ]] || return 1
  length=$(od -An -v -t u8 -N 8 -- "$1" | tr -d ' ')
  [[ ${length:-0} =~ ^[0-9]{1,9}$ ]] && ((length > 0 && length <= $2 - 8)) || return 0
  ends=$(tail -c +9 -- "$1" | head -c "$length" | grep -aoE '"data_offsets": ?\[[0-9]+, ?[0-9]+' | sed 's/.*[, ]//' | sort -n | tail -n 1)
  (($2 != 8 + length + ${ends:-0}))
}

look() { # LAST: tell of what became whole; `whole`, `partial`, `pictures`, `results` and `writing` say what there is
  local path line size name pattern newest=-1
  whole=() partial=() results=() writing='' looked=$clock
  matches "$checkpoints"
  for path in "${matches[@]}"; do
    [ -L "$path" ] || look_at "$path" "$1"
  done
  matches "$images"
  for path in "${matches[@]}"; do
    files "$path" && line=${lines[0]-} && rested "$path" 1 || [ "$1" ] || continue
    size=${line#* } size=${size%% *}
    [ -f "$path" ] && ((size > 0)) && [ -z "${before[${line%% *}]-}" ] && [ "${pictures[$path]-}" != "$line" ] || continue
    pictures[$path]=$line
    json "$path" && line="\"path\": $REPLY, \"bytes\": $size"
    told image.written "$line}" && continue
    [ -z "$collect_images" ] || keep "$path"
    tell image.written "$line"
  done
  for pattern in "${done_files[@]}"; do
    matches "$pattern"
    for path in "${matches[@]}"; do
      [ -f "$path" ] && files "$path" && { rested "$path" 1 || [ "$1" ]; } && [ -z "${before[${lines[0]%% *}]-}" ] || continue
      size=${lines[0]#* } results["$pattern"$'\n'"$path"]=${size%% *}
    done
  done
}

look_at() { # CHECKPOINT LAST
  local line size name flaw='' bytes=0 marked='' weighed='' fresh=''
  files "$1"
  for line in "${lines[@]}"; do
    size=${line#* } name=${size#* } size=${size%% *} bytes=$((bytes + size))
    [ -z "${before[${line%% *}]-}" ] || continue
    fresh=yes name=${name#"$1"/}
    [ "$name" != "$marker" ] || ((size == 0)) || marked=yes
    # shellcheck disable=SC2053 # a pattern
    [[ $name != $weights && $name != "$1" ]] || weighed=yes
  done
  [ "$fresh" ] || { [ ${#lines[@]} -eq 0 ] && [ -z "${before[$1]-}" ]; } || return
  if ! { rested "$1" "$REST" || [ "$2" ]; }; then
    flaw='it was being written'
  elif [ -z "${whole_before[$1]-}" ]; then
    if [ "$marker" ] && [ -d "$1" ] && [ -z "$marked" ]; then
      flaw="the run wrote no \`$marker\`"
    elif [ -z "$weighed" ]; then
      flaw="the run wrote no \`$weights\`"
    else
      for line in "${lines[@]}"; do
        size=${line#* } name=${size#* } size=${size%% *}
        # shellcheck disable=SC2053 # a pattern
        [[ ${name#"$1"/} == $weights || $name == "$1" ]] && cut "$name" "$size" && flaw="\`${name#"$1"/}\` is cut"
      done
    fi
  fi
  if [ "$flaw" ]; then
    partial[$1]=$flaw
    ((since[$1] < newest)) || { newest=${since[$1]} && [[ $flaw == *' is cut' ]] && writing='' || writing=$1; }
    return
  fi
  whole[$1]=$bytes whole_before[$1]=yes
  json "$1" && line="\"path\": $REPLY, \"bytes\": $bytes"
  told checkpoint.written "$line}" || tell checkpoint.written "$line"
}

keep() { # PICTURE: a copy in `images`; where the trainer wrote over an older one, it gets the next number
  local name=${1##*/} stem number=1 to
  stem=${name%.*} to=$node/images/$name
  while [ -e "$to" ]; do to=$node/images/$stem-$((++number)).${name##*.}; done
  mkdir -p -- "$node/images" && cp -- "$1" "$node/images/.copy" && mv -- "$node/images/.copy" "$to" ||
    warn preview-uncopied 'a preview could not be copied' 'make room'
} 2>/dev/null

lacking() { # [STATUS]: what of the done rule does not hold, in words
  local pattern one missing=() found
  ((${#whole[@]} >= done_checkpoints)) || missing+=("${#whole[@]} of $done_checkpoints checkpoint$([ "$done_checkpoints" = 1 ] || echo s)")
  ((${#pictures[@]} >= done_images)) || missing+=("${#pictures[@]} of $done_images image$([ "$done_images" = 1 ] || echo s)")
  for pattern in "${done_files[@]}"; do
    found=''
    for one in "${!results[@]}"; do [ "${one%%$'\n'*}" != "$pattern" ] || found=yes; done
    [ "$found" ] || missing+=("no new \`$pattern\`")
  done
  [ -z "$exit_zero" ] || [ "${1-}" = 0 ] || missing+=('no end with status 0')
  printf -v REPLY '%s, ' "${missing[@]}"
  REPLY=${REPLY%, }
  [ ${#missing[@]} -gt 0 ]
}

size_of() { # PATH: bytes of its files
  local line bytes=0
  files "$1"
  for line in "${lines[@]}"; do line=${line#* } && bytes=$((bytes + ${line%% *})); done
  REPLY=$bytes
}

objects() { # NAME OF SIZES BY PATH, [MORE]: as JSON
  local -n sizes=$1
  local path every=()
  for path in "${!sizes[@]}"; do json "${path#*$'\n'}" && every+=("{\"path\": $REPLY, \"bytes\": ${sizes[$path]}${2-}}"); done
  REPLY=$(listed "${every[@]}")
}
