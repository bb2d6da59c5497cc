module load cuda
[ $? -eq 0 ] || { printf 'python.setup failed: %s\n' 'module load cuda' >&2; exit 70; }
PATH='/srv/it'\''s here/venv/bin':"$PATH"
export VIRTUAL_ENV='/srv/it'\''s here/venv'
