# Sourced by supervise.sh: texts, JSON and times; answers lie in REPLY.
# shellcheck shell=bash disable=SC1003,SC2004,SC2015,SC2016,SC2034,SC2154 # the files share variables; `a && b || c` has a `b` that holds

UTF8=$'^([\x01-\x7f]|[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|\xed[\x80-\x9f][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}'
UTF8+=$'|\xf0[\x90-\xbf][\x80-\xbf]{2}|\xf4[\x80-\x8f][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3})*$'
TEXT='"([^"\\]|\\.)*"'

refuse() { # STATUS CODE MESSAGE HINT
  printf 'error[%s]: %s\nhint: %s\n' "$2" "$3" "$4" >&2
  exit "$1"
}

json() { # TEXT as JSON, without secrets
  local text=$1 one
  for one in "${hidden[@]}"; do text=${text//"$one"/'***'}; done
  [[ $text =~ $UTF8 ]] || text=${text//[$'\x80'-$'\xff']/'?'}
  text=${text//\\/'\\'} text=${text//\"/'\"'} text=${text//$'\n'/'\n'} text=${text//$'\t'/'\t'}
  REPLY="\"${text//[$'\x01'-$'\x1f']/' '}\""
}

take_text() { # the JSON text that `rest` begins with, which loses it
  local plain code low text=''
  [[ $rest == \"* ]] || return
  rest=${rest:1}
  while :; do
    plain=${rest%%[\"\\]*}
    [[ $plain != *[$'\x01'-$'\x1f']* ]] || return
    text+=$plain rest=${rest:${#plain}}
    case $rest in
      \"*) rest=${rest:1} REPLY=$text && return 0 ;;
      \\[\"\\/]*) text+=${rest:1:1} rest=${rest:2} ;;
      \\[bfnrt]*) printf -v plain %b "${rest:0:2}" && text+=$plain rest=${rest:2} ;;
      *)
        [[ $rest =~ ^\\u([0-9a-fA-F]{4}) ]] || return
        code=$((16#${BASH_REMATCH[1]})) rest=${rest:6}
        if ((code >> 10 == 0x36)); then
          [[ $rest =~ ^\\u([dD][c-fC-F][0-9a-fA-F]{2}) ]] || return
          low=$((16#${BASH_REMATCH[1]})) rest=${rest:6} code=$((0x10000 + ((code & 0x3ff) << 10) + (low & 0x3ff)))
        fi
        ((code != 0 && code >> 10 != 0x37)) || return
        utf8 "$code" && text+=$REPLY
        ;;
    esac
  done
}

utf8() { # CODE: its bytes
  local code=$1 bytes='' more=0
  while ((code >= (more ? 0x40 >> more : 0x80))); do
    printf -v bytes '\\x%x%s' $((code & 63 | 128)) "$bytes"
    code=$((code >> 6)) more=$((more + 1))
  done
  printf -v bytes '\\x%x%s' $(((more ? 0xff00 >> more + 1 & 0xff : 0) | code)) "$bytes"
  printf -v REPLY %b "$bytes"
}

take_object() { # JSON: one object of names and texts, into `given`
  local name more=''
  rest=$1 given=()
  expect '{' || return
  if ! expect '}'; then
    while :; do
      blank && take_text && name=$REPLY && expect : && blank && take_text && given["x$name"]=$REPLY || return
      expect , || break
    done
    expect '}' || return
  fi
  blank && [ -z "$rest" ]
}

blank() { rest=${rest#"${rest%%[!$' \t\r\n']*}"}; }

expect() { # MARK
  blank && [[ $rest == "$1"* ]] && rest=${rest:1}
}

short() { # TEXT LIMIT: one line of so many bytes
  local text=${1//[$'\x01'-$'\x1f']/ }
  text=${text:0:$2}
  while ! [[ $text =~ $UTF8 ]] && [ -n "$text" ]; do text=${text%?}; done
  REPLY=$text
}

stamp() { # the wall clock
  local at=${EPOCHREALTIME:--1.000}
  TZ=UTC0 printf -v REPLY '%(%Y-%m-%dT%H:%M:%S)T' "${at%.*}"
  at=${at#*.} REPLY+=.${at:0:3}Z
}

listed() { # PART...
  local text
  printf -v text '%s, ' "$@"
  printf %s "${text%, }"
}
