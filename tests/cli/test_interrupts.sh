#!/bin/bash
# Ctrl-C and SIGKILL in the middle of everything: one line, exit status 130, nothing half-written, what is there goes on.
# A command may be done before its signal comes (a fast machine), or get it while it still starts (a slow one): both are
# sound ends. What is checked holds for any moment: before the work began, nothing is said of it.
set -uo pipefail
: "${SIGNET:?the program}" "${SIGNET_SOURCE:?}"
scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT
cd "$scratch" || exit 1
signet() { "$SIGNET" "$@"; }
failures=0 caught=0

fail() {
    printf '%s\n' "$*"
    ((failures++))
}

# expect WHAT COMMAND...: the command succeeds.
expect() {
    local what=$1
    shift
    "$@" >out 2>err && return
    fail "$what: $*"
    head -n 5 err
}

# Does the process catch SIGINT (number 2) by now, or is it gone? On a busy machine that takes a while; before it is
# signet it is this shell, which catches the signal too.
catches() {
    local mask
    [[ -e /proc/$1 ]] || return 0
    mask=$(sed -n 's/^SigCgt:[[:space:]]*//p' "/proc/$1/status" 2>/dev/null)
    [[ /proc/$1/exe -ef $SIGNET ]] && ((0x${mask:-0} & 2))
}

# interrupt SECONDS PATTERN FILE ARGUMENTS...: SIGINT to signet so long after it has begun to catch it; its one line of
# stderr is like PATTERN, and FILE, its result ("" for none), is not there.
interrupt() {
    local seconds=$1 pattern=$2 result=$3 pid status line
    shift 3
    set -m # else what runs in the background ignores SIGINT
    "$SIGNET" "$@" >out 2>err &
    pid=$!
    set +m
    until catches "$pid"; do sleep 0.02; done
    sleep "$seconds"
    kill -INT "$pid" 2>/dev/null
    wait "$pid"
    status=$?
    ((status == 0)) && return
    ((status == 130)) && ((caught++))
    ((status == 130)) || fail "exit status $status: signet $*"
    [[ -z $result || ! -e $result ]] || fail "wrote $result: signet $*"
    mapfile -t line <err
    # shellcheck disable=SC2053
    [[ ${#line[@]} == 1 && ${line[0]} == $pattern ]] && return
    fail "signet $*: stderr is"
    head -n 5 err
}

# No temporaries below a folder.
clean() {
    local left
    left=$(find "$1" -name '.*.tmp')
    [[ -z $left ]] || fail "left behind: $left"
}

data=(fashion-mnist --data-dir "$SIGNET_SOURCE/tests/fixtures/datasets/idx")
expect export signet data export "${data[@]}" --split train --train 3 --query 0 --database 0 --val 0 -q -o photos
small=(--arch resnet20 --channels 1 --data folder:photos --val 0 --epochs 1 --batch 8 --threads 1 -q)
expect hash signet train "${small[@]}" --size 8 --bits 16 -o hash
expect classes signet train "${small[@]}" --size 8 --loss ce -o classes
# A network that takes its time, and many names for the pictures.
expect slow signet train "${small[@]}" --size 64 --bits 16 --train 1 -o slow
picture=$(find photos -name '*.png' | sort | head -n 1)
mkdir -p many/a
for i in {100..399}; do ln "$picture" "many/a/$i.png"; done
mapfile -t pictures < <(printf '%s\n' many/a/*)
fast=hash/best.safetensors slow=slow/best.safetensors

# --- nothing written, nothing left ---
slowly=(--model "$slow" --threads 1 -q)
interrupt 0.3 'signet: interrupted' codes.npy encode "${slowly[@]}" --npy codes.npy "${pictures[@]}"
rm -f codes.npy
interrupt 0.3 'signet: interrupted' codes.npy encode "${slowly[@]}" --npy codes.npy --data folder:many --split database
interrupt 0.3 'signet: interrupted' '' eval "${slowly[@]}" --data folder:many
mkfifo never # open for writing too, it does not end
interrupt 0.2 'signet: interrupted' '' classify --model classes/best.safetensors --threads 1 - <>never
interrupt 0.3 'signet: interrupted' attacked/attack.csv attack --model "$fast" --threads 1 --iterations 1000000 -q -o attacked \
    "$picture"
if [[ -e /usr/share/datasets/fashion-mnist ]]; then # large enough
    interrupt 1 'signet: interrupted' exported/database.txt data export fashion-mnist --split database -q -o exported
    [[ -e exported/database.txt || -z $(find exported -type f 2>/dev/null) ]] || fail "an interrupted export left files"
fi

# --- the index ---
expect create signet index create idx --model "$slow" -q
interrupt 0.3 'signet: ?(idx keeps * added and 0 updated: )interrupted' '' index add idx many --threads 1 -q
expect sound signet index verify idx -q
timeout --foreground -s KILL 0.3 "$SIGNET" index add idx many --threads 1 -q >out 2>err
expect sound signet index verify idx -q
# What a dry run would have done is nothing that is kept.
interrupt 0.2 'signet: interrupted' '' index import idx - --format jsonl --dry-run -q < <(sleep 1)
expect again signet index add idx many --threads 1 -q
[[ $(signet index list idx | wc -l) == 300 ]] || fail "adding again does not complete the index"
# Encoding anew goes on where it was cut short; until it is done the old codes answer.
expect longer signet train --weights "$slow" --data folder:photos --val 0 --bits 24 --train 1 --epochs 1 --batch 8 --threads 1 -q -o longer
anew=(index rebuild idx --encoder longer/best.safetensors --threads 1 -q)
interrupt 0.3 'signet: ?(idx is as it was; * are encoded anew, *: )interrupted' '' "${anew[@]}"
expect sound signet index verify idx -q
timeout --foreground -s KILL 0.3 "$SIGNET" "${anew[@]}" >out 2>err
expect sound signet index verify idx -q
expect anew signet "${anew[@]}"
[[ $(signet index list idx | wc -l) == 300 && $(signet index stat idx) == *'bits        24'* ]] || fail "rebuild does not complete the index"
[[ ! -e .idx.signet-rebuild ]] || fail "rebuild leaves something behind"
interrupt 0.3 'signet: interrupted' sheet.html query idx --threads 1 -q --html sheet.html "${pictures[@]}"
expect sound signet index verify idx -q
clean .

# --- a run: what earlier epochs wrote stays, and says that it is unfinished ---
long=(train --arch resnet20 --size 8 --channels 1 --data folder:photos --val 0 --batch 4 --epochs 1000000 --threads 1 -q)
interrupt 0.7 'signet: ?(training ended after * of 1000000 epochs, which run keeps: )interrupted' '' "${long[@]}" -o run
! grep -qs finished run/train.jsonl || fail "an interrupted run calls itself finished"
[[ ! -e run/train.jsonl ]] || expect model signet model info --check run/last.safetensors
timeout --foreground -s KILL 0.5 "$SIGNET" "${long[@]}" -o run >out 2>err
[[ ! -e run/last.safetensors ]] || expect model signet model info --check run/last.safetensors
expect 'train again' signet "${long[@]}" --epochs 1 -o run
grep -qs '"finished":true' run/train.jsonl || fail "a run that was begun again does not end"
clean .

# --- an audit: finished cells are found again, and the tables come out as if nothing had happened ---
audit=(audit --model "$fast" --data folder:photos --attack "hag,noise" --eps "0,8/255" --queries 4 -q --threads 1)
interrupt 0.4 'signet: *interrupted' stopped/results.csv "${audit[@]}" --iterations 1000000 -o stopped
expect 'audit again' signet "${audit[@]}" --iterations 3 -o stopped
expect 'audit' signet "${audit[@]}" --iterations 3 -o fresh
cmp stopped/results.csv fresh/results.csv || fail "an interrupted audit gives other results"
clean .

echo "$caught interrupts caught, $failures failures"
((failures == 0))
