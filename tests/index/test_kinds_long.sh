#!/bin/bash
# Kinds of search on real codes with their duplicates: Fashion-MNIST by a network that is trained for it here. What mih finds
# is what the scan finds; ivf at its defaults finds 0.95 of the 10 nearest by distance, and all codes that are equal.
set -euo pipefail
: "${SIGNET:?the program}"
scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT
cd "$scratch"
if ! "$SIGNET" data info fashion-mnist >/dev/null 2>&1; then
    echo 'skipped: fashion-mnist is not installed'
    exit 77
fi
"$SIGNET" train --arch lenet --data fashion-mnist --loss csq --bits 64 --epochs 2 --seed 1 -q -o run
for part in query database; do
    "$SIGNET" encode --model run/best.safetensors --data fashion-mnist --split "$part" --npy "$part.npy" -q
done
"$SIGNET" index create idx --model run/best.safetensors -q
"$SIGNET" index import idx database.npy -q >/dev/null

# The codes of 100 pictures that are not in the index, and of 50 that are.
"$SIGNET" index create asked --model run/best.safetensors -q
"$SIGNET" index import asked query.npy -q >/dev/null
{ "$SIGNET" index list asked --json | sed -n 1,100p; "$SIGNET" index list idx --json | sed -n 1,50p; } |
    sed 's/.*"code":"\([0-9a-f]*\)".*/\1/' | paste -sd ' ' | fold -s -w 850 >codes # 50 codes a line

# ask OPTION...: an answer a line
ask() {
    local line options
    while read -r -a line; do
        options=("${line[@]/#/--code=}")
        "$SIGNET" query idx "${options[@]}" "$@" --json | sed 's/,"exact":.*//'
    done <codes
}
failures=0
for kind in flat mih ivf; do
    "$SIGNET" index rebuild idx --kind "$kind" >/dev/null
    ask -k 10 >"$kind.k"
    ask --radius 2 >"$kind.radius"
    ask --radius 0 >"$kind.equal"
done
for what in k radius equal; do cmp "flat.$what" "mih.$what" || ((++failures)); done
cmp flat.equal ivf.equal || ((++failures))

# recall FILE TRUTH: of the answers of TRUTH, those that are in FILE or as near
recall() {
    awk 'function distances(line,  n) {
             n = 0
             while (match(line, /"distance":[0-9]+/)) {
                 d[++n] = substr(line, RSTART + 11, RLENGTH - 11) + 0
                 line = substr(line, RSTART + RLENGTH)
             }
             return n
         }
         NR == FNR { n = distances($0); last[FNR] = n ? d[n] : -1; asked += n; next }
         { n = distances($0); for (i = 1; i <= n; i++) found += d[i] <= last[FNR] }
         END { printf "%.4f\n", found / asked; exit !(asked >= 1500 && found >= 0.95 * asked) }' "$2" "$1"
}
for what in k radius; do
    found=$(recall "ivf.$what" "flat.$what") || ((++failures))
    echo "ivf, $what: recall $found"
done
((failures == 0))
