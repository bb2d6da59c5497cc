mkdir -p -- "${HOME}"'/job dir'
