"$BASH" --noprofile --norc "$SRPO_BUNDLE/steps/end-01-tell.sh"
