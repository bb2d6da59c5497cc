module load cuda
PATH='/srv/it'\''s here/venv/bin':"$PATH"
export VIRTUAL_ENV='/srv/it'\''s here/venv'
