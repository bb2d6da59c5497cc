failed=0
end() {
  timeout -k 2 "$2" "$BASH" --noprofile --norc "$SRPO_BUNDLE/steps/$1" && return
  failed=$?
  echo "srpo-manifest: the step $1 for the end failed with status $failed" >&2
}
end end-01-tell.sh 120
exit "$failed"
