# The job of a-run, plan 9241496f97d8cbe0ae71db2cd95f94ce700bfc57a101593656c079ad56c65060: everything long runs here, under the supervisor.
prepare() {
  printf '%s\n' "$1" >>"$SRPO_RUN_DIR/phases"
  "$BASH" --noprofile --norc -e -o pipefail "$SRPO_BUNDLE/steps/$2" && return
  echo "srpo-manifest: preparation step $1 failed (steps/$2)" >&2
  exit 70
}
supervise() { "$BASH" --noprofile --norc "$SRPO_BUNDLE/../supervisor" "$@"; }
export SRPO_REPO_DIR=/home/me/project/.srpo/checkouts/eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee
prepare checkout 01-checkout.sh
prepare vendor-link 02-vendor-link.sh
prepare working-dir 03-working-dir.sh

printf 'checks\n' >>"$SRPO_RUN_DIR/phases"
cd -- /home/me/project || exit 70
supervise checks || exit
SRPO_RUN_PORT=$(supervise port) || exit
export SRPO_RUN_PORT
export CHIEF_IP="${SRPO_RUN_CHIEF}"
export HOST_NUM=1
export MORE=--steps=3
export PYTHONDONTWRITEBYTECODE=1
export PYTHONPATH="${SRPO_REPO_DIR}"
export SRPO_WORKSPACE_DIR=/home/me/project
if [ -n "${SRPO_DRY_RUN:-}" ]; then exit 0; fi
printf 'script\n' >>"$SRPO_RUN_DIR/phases"
export BASH_ENV="$SRPO_BUNDLE/shim.sh"
PATH=$SRPO_BUNDLE/shim:$PATH
exec "$BASH" "${SRPO_REPO_DIR}"/train.sh
