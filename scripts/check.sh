#!/usr/bin/env bash
# Checks that need no build: formatting, shell and Python syntax, dependencies between folders, the English of comments.
# usage: check.sh [--fix]     --fix formats the C++ files
set -euo pipefail
cd "$(dirname "$0")/.."
tracked=$(git ls-files)
mapfile -t cpp < <(grep -E '\.(cc|h)$' <<<"$tracked")
mapfile -t shell < <(grep -E '\.sh$|^\.ci/run$' <<<"$tracked")
mapfile -t python < <(grep -E '\.py$' <<<"$tracked")

if [[ ${1:-} == --fix ]]; then
  clang-format -i "${cpp[@]}"
  exit 0
fi

failed=()
clang-format --dry-run -Werror "${cpp[@]}" || failed+=("formatting (scripts/check.sh --fix mends it)")

for script in "${shell[@]}"; do bash -n "$script" || failed+=("syntax of $script"); done
shellcheck -x "${shell[@]}" || failed+=("shellcheck")
for script in "${python[@]}"; do
  python3 -c 'import ast, sys; ast.parse(open(sys.argv[1]).read(), sys.argv[1])' "$script" ||
    failed+=("syntax of $script")
done

# scripts/rooms.txt says who may include whom.
scripts/check_rooms.py || failed+=("rooms (scripts/rooms.txt)")

scripts/check_english.py || failed+=("English (scripts/check_english.py)")

if ((${#failed[@]})); then
  printf 'check failed: %s\n' "${failed[@]}"
  exit 1
fi
echo "checks passed: ${#cpp[@]} C++, ${#shell[@]} shell and ${#python[@]} Python files"
