# The job of all-of-it, plan b56093780d377d3737f9b74db63b709cb5ac99e6fd35db06f6beee0c81dddf59: everything long runs here, under the supervisor.
prepare() {
  printf '%s\n' "$1" >>"$SRPO_RUN_DIR/phases"
  "$BASH" --noprofile --norc -e -o pipefail "$SRPO_BUNDLE/steps/$2" && return
  echo "srpo-manifest: preparation step $1 failed (steps/$2)" >&2
  exit 70
}
supervise() { "$BASH" --noprofile --norc "$SRPO_BUNDLE/../supervisor" "$@"; }
export SRPO_REPO_DIR='/srv/it'\''s here/.srpo/checkouts/eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee'
. "$SRPO_BUNDLE/steps/03-setup.sh"
prepare checkout 01-checkout.sh
prepare vendor-link 02-vendor-link.sh
prepare venv 04-venv.sh
prepare working-dir 05-working-dir.sh

printf 'checks\n' >>"$SRPO_RUN_DIR/phases"
cd -- "${HOME}"'/job dir' || exit 70
supervise checks || exit
SRPO_RUN_PORT=$(supervise port) || exit
export SRPO_RUN_PORT
export PLAIN='a b'\''c
$HOME'
export PYTHONDONTWRITEBYTECODE=1
export PYTHONPATH="${SRPO_REPO_DIR}"
export SRPO_CONCEPT_FILE='/srv/it'\''s here/.srpo/runs/'"${SRPO_RUN_ID}"/bundle/files/concepts.json
export SRPO_WORKSPACE_DIR='/srv/it'\''s here'
if [ -n "${SRPO_DRY_RUN:-}" ]; then exit 0; fi
printf 'job\n' >>"$SRPO_RUN_DIR/phases"
exec python3 "${SRPO_REPO_DIR}"/train.py
