#!/bin/bash
# Hash heads without labels on real photographs: a list of 24 classes of Caltech, ResNet-18's ImageNet weights as PyTorch has
# them. mAP over the whole database must come to what numpy gives on PyTorch's features (means of five rotations).
set -euo pipefail
: "${SIGNET:?the program}" "${SIGNET_SOURCE:?the checkout}"
unpack=$SIGNET_SOURCE/../shared/data/unpack
if [[ ! -x $unpack ]]; then
    echo 'skipped: there is no ../shared/data beside the checkout'
    exit 77
fi
scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT
"$unpack" "$scratch" caltech24 weights >/dev/null
weights=$(echo "$scratch"/weights/resnet18*.pth)
failures=0

# check KIND BITS EXPECTED
check() {
    local run=$scratch/$1-$2 map
    "$SIGNET" train --weights "$weights" --arch resnet18 --loss "$1" --bits "$2" --data "list:$scratch/caltech24" --val 0 -q -o "$run"
    map=$("$SIGNET" eval --model "$run/best.safetensors" --data "list:$scratch/caltech24" --val 0 --top 0 --json -q |
        sed 's/.*"expected":\([0-9.]*\).*/\1/')
    echo "$1 $2: $map, expected $3"
    awk -v a="$map" -v b="$3" 'BEGIN { exit !(a - b <= 0.03 && b - a <= 0.03) }' || ((++failures))
}

check itq 16 0.764
check itq 32 0.821
check itq 48 0.814
check itq 64 0.813
check pca-rr 16 0.641
check pca-rr 32 0.723
check pca-rr 48 0.719
check pca-rr 64 0.732
exit $((failures > 0))
