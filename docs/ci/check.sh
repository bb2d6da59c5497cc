#!/usr/bin/env bash
# What the GitHub action runs: annotations, a SARIF file, a table in the step's summary, and validate's exit status.
# Reads MANIFESTS and ARGUMENTS (words), SARIF (a path), GITHUB_STEP_SUMMARY (a path).
set -uo pipefail
read -ra manifests <<<"${MANIFESTS:-srpo.toml}"
read -ra arguments <<<"${ARGUMENTS:-}"

srpo-manifest validate "${arguments[@]}" --format sarif "${manifests[@]}" >"${SARIF:-srpo-manifest.sarif}"
srpo-manifest validate "${arguments[@]}" --format github "${manifests[@]}"
status=$?
fence='````````````' # longer than what a snippet may hold
{
  echo '### srpo-manifest'
  echo "$fence"
  srpo-manifest validate "${arguments[@]}" "${manifests[@]}" 2>&1
  echo "$fence"
} >>"${GITHUB_STEP_SUMMARY:-/dev/null}"
exit "$status"
