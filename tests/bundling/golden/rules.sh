SRPO_REPO_DIR='/srv/it'\''s here/.srpo/checkouts/eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee'
cwd="${HOME}"'/job dir'
rules_format=1
name=all-of-it
plan=b56093780d377d3737f9b74db63b709cb5ac99e6fd35db06f6beee0c81dddf59
done_checkpoints=0
done_images=0
exit_zero=yes
grace_seconds=120
checkpoint_seconds=900
max_hours=
max_seconds=
marker=
weights='*.safetensors'
collect_images=
port=29601
checkpoints=
images=
done_files=()
secrets=(HF_TOKEN KEY)
target_files[KEY]="${HOME}"/.key
ask_checks() {
  check file-missing deny present '' '`data/it'\''s.bin` is not in the working directory `'"${HOME}"'/job dir`' '[ ! -e '\''data/it'\''\'\'''\''s.bin'\'' ] || sha256sum -- '\''data/it'\''\'\'''\''s.bin'\'' | cut -c 1-64' 'put it there, or correct the path'
  check file-differs deny one-of '
0000000000000000000000000000000000000000000000000000000000000000' '`data/it'\''s.bin` does not hash to the `sha256` that the manifest gives' '[ ! -e '\''data/it'\''\'\'''\''s.bin'\'' ] || sha256sum -- '\''data/it'\''\'\'''\''s.bin'\'' | cut -c 1-64' 'fetch it again: an interrupted download looks like this'
  check launcher-missing deny present '' '`python3` is not on the job'\''s PATH' 'module load cuda
[ $? -eq 0 ] || { printf '\''python.setup failed: %s\n'\'' '\''module load cuda'\'' >&2; exit 70; }
PATH='\''/srv/it'\''\'\'''\''s here/venv/bin'\'':"$PATH"
export VIRTUAL_ENV='\''/srv/it'\''\'\'''\''s here/venv'\''
command -v python3 || :
' 'set `python.path` to the environment that has it'
  :
}
