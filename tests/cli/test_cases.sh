#!/bin/bash
# Runs the cases of cases/*.txt. A case is
#     $ a bash command          (signet is the program; the folder is a scratch one, shared by a file's cases)
#     = 2                       (its exit status; 0 when the line is missing)
#     > a line of stdout        (all of them in order, as patterns of [[ == ]]; "> ..." stands for any number of lines)
#     2> a line of stderr       (the same)
# Without any > line stdout must be empty, without any 2> line stderr, unless the status line ends in "...". "# ..." is a
# comment. NAME in the environment CASES picks one file.
set -uo pipefail
: "${SIGNET:?the program}"
here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT
signet() { "$SIGNET" "$@"; }
export -f signet
failures=0
count=0

# Does the file's text match the patterns?
match() {
    local -a lines patterns
    mapfile -t lines <"$1"
    mapfile -t patterns <"$2"
    local i=0 p pattern
    for ((p = 0; p < ${#patterns[@]}; p++)); do
        pattern=${patterns[p]}
        if [[ $pattern == ... ]]; then
            ((p + 1 == ${#patterns[@]})) && return 0
            # shellcheck disable=SC2053
            while ((i < ${#lines[@]})) && [[ ${lines[i]} != ${patterns[p + 1]} ]]; do ((i++)); done
            continue
        fi
        ((i < ${#lines[@]})) || return 1
        # shellcheck disable=SC2053
        [[ ${lines[i]} == $pattern ]] || return 1
        ((i++))
    done
    ((i == ${#lines[@]}))
}

finish() {
    [[ -n $command ]] || return 0
    ((count++))
    (cd "$scratch/$name" && bash -c "$command") >"$scratch/out" 2>"$scratch/err" </dev/null
    local got=$? fault=
    [[ $got == "$status" ]] || fault="exit status $got, not $status"
    local stream
    for stream in out err; do
        [[ -z $fault && ($any == no || -s $scratch/want_$stream) ]] || continue
        match "$scratch/$stream" "$scratch/want_$stream" || fault="std$stream differs"
    done
    if [[ -n $fault ]]; then
        ((failures++))
        printf '%s: %s\n  $ %s\n' "$name" "$fault" "$command"
        sed 's/^/  stdout: /' "$scratch/out" | head -n 20
        sed 's/^/  stderr: /' "$scratch/err" | head -n 20
    fi
    command=
}

for file in "$here"/cases/${CASES:-*}.txt; do
    name=$(basename "$file" .txt)
    mkdir -p "$scratch/$name"
    command=
    while IFS= read -r line || [[ -n $line ]]; do
        case $line in
        '$ '*)
            finish
            command=${line#'$ '} status=0 any=no
            : >"$scratch/want_out"
            : >"$scratch/want_err"
            ;;
        '= '*)
            status=${line#'= '}
            [[ $status == *' ...' ]] && any=yes status=${status%' ...'}
            ;;
        '> '*) printf '%s\n' "${line#'> '}" >>"$scratch/want_out" ;;
        '2> '*) printf '%s\n' "${line#'2> '}" >>"$scratch/want_err" ;;
        '' | '#'*) ;;
        *) echo "$file: what is \"$line\"?"; exit 1 ;;
        esac
    done <"$file"
    finish
done
echo "$count cases, $failures failed"
((failures == 0))
