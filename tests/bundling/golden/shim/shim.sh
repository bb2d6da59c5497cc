# Sourced by every bash that the script starts: what a launcher is called with goes to `deliver`.
__srpo_bundle=${BASH_SOURCE[0]%/*}
accelerate() { "$__srpo_bundle/deliver" accelerate "$@"; }
deepspeed() { "$__srpo_bundle/deliver" deepspeed "$@"; }
python() { "$__srpo_bundle/deliver" python "$@"; }
torchrun() { "$__srpo_bundle/deliver" torchrun "$@"; }
__srpo_name="${HOME}"/bin/torchrun
case $__srpo_name in
  *[!A-Za-z0-9_./@%+-]*) ;;
  *) eval "$__srpo_name() { \"\$__srpo_bundle/deliver\" $__srpo_name \"\$@\"; }" ;;
esac
trap '{ [[ ${PATH-} == "$__srpo_bundle/shim":* ]] || PATH=$__srpo_bundle/shim:${PATH-}; } 2>/dev/null' DEBUG
set -T
