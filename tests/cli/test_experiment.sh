#!/bin/bash
# scripts/experiment on a network of nothing: its tables are those of the files, a second run does nothing again, a signal
# stops it, other settings are refused. What it measures means nothing here.
set -uo pipefail
: "${SIGNET:?the program}" "${SIGNET_SOURCE:?}"
scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT
cd "$scratch" || exit 1
signet() { "$SIGNET" "$@"; }
failures=0

fail() {
    printf '%s\n' "$*"
    ((failures++))
}

# expect STATUS COMMAND...
expect() {
    local status=$1
    shift
    "$@" >out 2>err
    local got=$?
    ((got == status)) && return
    fail "exit status $got, not $status: $*"
    tail -n 5 out err
}

# has FILE LINES PATTERN: so many lines of it are like the pattern.
has() {
    local found
    found=$(grep -cE -- "$3" "$1")
    [[ $found == "$2" ]] && return
    fail "$found lines, not $2, of $1 are like $3"
    cat "$1"
}

data=(fashion-mnist --data-dir "$SIGNET_SOURCE/tests/fixtures/datasets/idx")
expect 0 signet data export "${data[@]}" --split train --train 3 --query 0 --database 0 --val 0 -q -o photos
expect 0 signet train --arch resnet20 --channels 1 --size 8 --data folder:photos --val 0 --epochs 1 --batch 8 --loss ce -q -o base
expect 0 signet model export base/best.safetensors -o weights.safetensors
experiment=("$SIGNET_SOURCE/scripts/experiment" --signet "$SIGNET" --weights weights.safetensors --data folder:photos
    --protocol folder --arch resnet20 --size 8 --bits 16 --batch 4 --train 1 --epochs 1 --queries 3 --iterations 2)

expect 2 "${experiment[@]}"
expect 2 "${experiment[@]}" -o all --loss dsh
expect 0 "${experiment[@]}" -o all
number='[01][.][0-9]{3}'
row="( $number [|]){5}"
has all/clean.md 6 "^[|] (bp|usf|frsf|brsf|fa|head) [|] $number [|] $number to $number [|] "
has all/clean.md 1 "^[|] head .* 0[.]0 % [|] 0[.]0 [|]"
# A model trained by backpropagation has one gradient, the others have two.
has all/attack.md 4 "^[|] (bp|head) [|] (hag|sdha) [|] exact=rule [|]$row\$"
has all/attack.md 8 "^[|] (usf|frsf|brsf|fa) [|] (hag|sdha) [|] exact [|]$row\$"
has all/attack.md 8 "^[|] (usf|frsf|brsf|fa) [|] (hag|sdha) [|] rule [|]$row\$"
has all/attack.md 1 '2/255 [|] 4/255 [|] 8/255 [|] 16/255'

# The mAP of the table is that of eval.
signet eval --model all/usf/best.safetensors --data folder:photos --protocol folder --train 1 --val 0 --json >eval.json
map=$(printf '%.3f' "$(grep -o '"expected":[0-9.e-]*' eval.json | cut -d : -f 2)")
has all/clean.md 1 "^[|] usf [|] $map "

# Once more: nothing is trained or attacked again, and the tables are the same.
cp all/clean.md all/attack.md .
find all -name 'best.safetensors' -o -path '*/cells/*' -type f | sort | xargs ls -l --time-style=full-iso >before
expect 0 "${experiment[@]}" -o all
find all -name 'best.safetensors' -o -path '*/cells/*' -type f | sort | xargs ls -l --time-style=full-iso >after
cmp before after || fail 'a second run made something again'
cmp clean.md all/clean.md || fail 'other clean.md'
cmp attack.md all/attack.md || fail 'other attack.md'
expect 2 "${experiment[@]}" -o all --epochs 2

# Another loss goes on from those models.
expect 0 "${experiment[@]}" -o second --models usf,head --loss dpsh --from all --attack hag --eps 8/255
has second/clean.md 1 '^[|] usf '
parent=$(signet model info --json all/usf/best.safetensors | grep -o '"fingerprint":"[0-9a-f]*"' | cut -d '"' -f 4)
grep -aq "$parent" second/usf/best.safetensors || fail 'the second usf does not come from the first'

# Stopped in the middle of training, which would take minutes.
"${experiment[@]}" -o stopped --models usf --epochs 100000 >out 2>err &
pid=$!
for ((i = 0; i < 3000; i++)); do
    [[ -e stopped/usf/train.jsonl ]] && break
    sleep 0.1
done
kill -TERM $pid
wait $pid
status=$?
((status == 130)) || fail "exit status $status of a stopped experiment"
[[ ! -e stopped/usf/done ]] || fail 'a stopped training counts as done'
grep -q 'goes on' err || fail 'no word about going on'

exit $((failures > 0))
