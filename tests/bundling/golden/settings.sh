name=all-of-it
workspace='/srv/it'\''s here'
secrets=(HF_TOKEN)
python_candidates=(python3 /usr/bin/python3 python3.14 python3.13 python3.12 python3.11 python3.10 python3.9 '/srv/it'\''s here/venv/bin/python')
