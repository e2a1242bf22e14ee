#!/bin/bash
# Real pictures, packed beside the repository: CIFAR-10 as JPEG files by its protocols, a part of COCO with several labels
# an image end to end, some of its files broken. Skipped where they are not there.
set -uo pipefail
: "${SIGNET:?the program}" "${SIGNET_SOURCE:?}"
unpack=$SIGNET_SOURCE/../shared/data/unpack
if [[ ! -x $unpack ]]; then
    echo "skipped: no pictures at $unpack"
    exit 77
fi
scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT
cd "$scratch" || exit 1
signet() { "$SIGNET" "$@"; }
failures=0

fail() {
    printf '%s\n' "$*"
    ((failures++))
}

# expect PATTERN COMMAND...: its standard output holds a line with the pattern.
expect() {
    local pattern=$1
    shift
    "$@" >out 2>err
    grep -qE -- "$pattern" out && return
    fail "no line \"$pattern\" of: $*"
    head -n 5 out err
}

"$unpack" . cifar10 coco128 >/dev/null || exit 1

# The published sizes, with and without validation images.
expect '^images +1000 +5000 +53000 +1000$' signet data info folder:cifar10 --protocol cifar10-5000
expect '^images +1000 +5000 +54000 +0$' signet data info folder:cifar10 --protocol cifar10-5000 --val 0
expect '^images +1000 +5000 +59000 +0$' signet data info folder:cifar10 --protocol cifar10-5000-in --val 0
expect '^images +10000 +45000 +50000 +5000$' signet data info folder:cifar10 --protocol cifar10-all

coco=list:coco128
expect '126 images, 80 classes \(several labels an image\); protocol list' signet data info $coco
for loss in csq dpsh; do
    signet train --arch lenet-cifar --size 32 --data $coco --loss $loss --bits 32 --epochs 3 --batch 16 \
        --augment resized-crop,flip -q -o $loss || fail "train $loss"
    expect '^protocol +list: 32 queries, 94 in the database, 32 bits' signet eval --model $loss/best.safetensors --data $coco
    expect '^chance +0.293' signet eval --model $loss/best.safetensors --data $coco
done
signet audit --model csq/best.safetensors --data $coco --attack sdha,hag --eps 8/255 --gradient exact --iterations 3 \
    --queries 5 -q -o audit || fail audit
expect '^best,lenet-cifar,hash,bp,32,sdha,' cat audit/results.csv

# A file cut short and one that is gone: the end, or left out of what is evaluated.
broken=$(head -n 1 coco128/query.txt | cut -d ' ' -f 1)
gone=$(head -n 1 coco128/database.txt | cut -d ' ' -f 1)
truncate -s 5000 "coco128/$broken"
rm "coco128/$gone"
signet eval --model csq/best.safetensors --data $coco -q 2>err && fail 'broken files do not matter'
grep -qE "$broken|$gone" err || fail 'the broken file is not named'
expect '^protocol +list: 31 queries, 93 in the database' signet eval --model csq/best.safetensors --data $coco --skip-broken
[[ $(grep -c 'skipped: .*jpg' err) == 2 ]] || fail 'two files are to be listed'
((failures == 0))
