#!/bin/bash
# bf16 from training to audit, and what becomes of its model and index in a process without it. Skipped where the processor
# has none.
set -uo pipefail
: "${SIGNET:?the program}"
if ! "$SIGNET" --version | grep -q '^network kernels: .*bf16'; then
    echo "skipped: this processor has no bf16"
    exit 77
fi
scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT
cd "$scratch" || exit 1
signet() { "$SIGNET" "$@"; }
lacking() { ONEDNN_MAX_CPU_ISA=AVX512_CORE "$SIGNET" "$@"; }
failures=0

fail() {
    printf '%s\n' "$*"
    ((failures++))
}

# expect STATUS PATTERN COMMAND...: its exit status, and a line with the pattern in what it prints anywhere.
expect() {
    local status=$1 pattern=$2 got
    shift 2
    "$@" >out 2>&1
    got=$?
    [[ $got == "$status" ]] || fail "exit status $got: $*"
    grep -qE -- "$pattern" out && return
    fail "no line \"$pattern\" of: $*"
    head -n 5 out
}

same() { cmp -s "$1" "$2" || fail "$1 and $2 differ"; }
different() { ! cmp -s "$1" "$2" || fail "$1 and $2 are the same"; }
without() { [[ ! -e $1 ]] || fail "$1 was made"; }

signet data export fashion-mnist --split train --train 12 -q -o photos
pictures=(photos/*/*.png)
data=(--data folder:photos --val 0 --query 2)
common=("${data[@]}" --epochs 1 --batch 16 -q)
new=(--arch resnet20 --size 16 --channels 1 --bits 64)
signet train "${new[@]}" "${common[@]}" -o f32
signet train "${new[@]}" --precision bf16 "${common[@]}" -o bf16
signet train "${new[@]}" --precision auto "${common[@]}" -o auto
model=bf16/best.safetensors

# Stored, and taken over by what is made of it.
expect 0 '^recipe: .*, precision bf16,' signet model info --check "$model"
expect 0 '"precision":[[:space:]]*"bf16"' cat bf16/config
# auto: bf16 where it is faster, which it is not where an Intel processor's AMX is hidden.
flags=" $(grep -m 1 '^flags' /proc/cpuinfo) "
if [[ $flags != *' avx512_fp16 '* || $flags == *' amx_bf16 '* ]]; then
    same "$model" auto/best.safetensors
else
    same f32/best.safetensors auto/best.safetensors
fi
different "$model" f32/best.safetensors
signet train --weights "$model" --loss itq --bits 64 "${data[@]}" -q -o heir
expect 0 '^recipe: .*, precision bf16,' signet model info heir/best.safetensors
signet train --weights "$model" --precision f32 "${common[@]}" -o plain
expect 0 '^recipe: .*, precision f32,' signet model info plain/best.safetensors

# An image's outputs are those of its model's precision, whatever the batch and the number of threads.
signet encode --real --model "$model" "${pictures[@]}" >own
signet encode --real --model "$model" --precision bf16 --threads 1 "${pictures[@]}" >told
signet encode --real --model "$model" --precision f32 "${pictures[@]}" >other
for picture in "${pictures[@]:0:8}"; do signet encode --real --model "$model" "$picture"; done >alone
same own told
different own other
head -n 8 own >first
same first alone
expect 0 '^recipe: .*, precision bf16,' lacking model info "$model"
expect 1 '^signet: precision bf16: ' lacking encode --model "$model" "${pictures[0]}"
lacking encode --real --model "$model" --precision f32 "${pictures[@]}" >there
same other there

# An index computes as it says, whatever its model's way.
signet index create idx --model f32/best.safetensors --precision bf16 -q
signet index add idx photos -q >/dev/null
expect 0 '^here +the same' signet index stat idx
expect 0 ', precision bf16,' signet index stat idx
signet encode --model f32/best.safetensors --precision bf16 "${pictures[0]}" | cut -f 1 >code
expect 0 "\"code\":\"$(cat code)\".*\"recipe_match\":true" signet query idx --json "${pictures[0]}"
expect 0 '"recipe_match":false' lacking query idx --json -q "${pictures[0]}"
expect 0 'precision: bf16 / f32' lacking index stat idx
cp "${pictures[0]}" more.png
expect 1 'codes made here would not be those of the index: precision: bf16 / f32' lacking index add idx more.png
expect 0 '^added 1, .* broken 0,' lacking index add idx more.png --any-recipe -q
expect 0 '^foreign +1 ' signet index stat idx
expect 1 '^signet: precision bf16: ' lacking index create none --model "$model"
without none
signet index create back --model "$model" --precision f32 -q
expect 0 '^here +the same' lacking index stat back

# Attacks and audits; the cells of another precision are others.
expect 0 '^signet: 2 images' signet attack --model f32/best.safetensors --precision bf16 --iterations 3 -o hit "${pictures[@]:0:2}"
expect 1 '^signet: precision bf16: ' lacking attack --model "$model" --iterations 3 -o none "${pictures[@]:0:2}"
without none
expect 0 '"map"' signet eval --model f32/best.safetensors --precision bf16 "${data[@]}" --json -q
audit() { signet audit --model f32/best.safetensors "${data[@]}" --queries 4 --attack hag --eps 8/255 --gradient exact --iterations 2 -q -o cells "$@"; }
if command -v gnuplot >/dev/null; then
    audit
    cp cells/results.csv first.csv
    audit --precision bf16
    cut -d , -f 27 cells/results.csv | sort -u | tr '\n' ' ' >column
    expect 0 '^bf16 precision $' cat column
    [[ $(find cells/cells -name '*.json' ! -name audit.json | wc -l) == 4 ]] || fail 'cells of two precisions are not 4'
    audit
    cut -d , -f 1-26 first.csv >a
    cut -d , -f 1-26 cells/results.csv >b
    same a b
    expect 1 '^signet: precision bf16: ' lacking audit --model "$model" "${data[@]}" -o none
    without none
fi
echo "$failures failures"
((failures == 0))
