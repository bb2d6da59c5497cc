module load cuda
[ $? -eq 0 ] || { printf 'python.setup failed: %s\n' 'module load cuda' >&2; exit 70; }
PATH='/srv/it'\''s here/venv/bin':"$PATH"
[ $? -eq 0 ] || { printf 'python.setup failed: %s\n' 'PATH='\''/srv/it'\''\'\'''\''s here/venv/bin'\'':"$PATH"' >&2; exit 70; }
export VIRTUAL_ENV='/srv/it'\''s here/venv'
[ $? -eq 0 ] || { printf 'python.setup failed: %s\n' 'export VIRTUAL_ENV='\''/srv/it'\''\'\'''\''s here/venv'\''' >&2; exit 70; }
