#!/bin/bash
# A disk that is not mounted takes nothing out of an index, wherever and however it was mounted.
set -uo pipefail
: "${SIGNET:?the program}" "${SIGNET_SOURCE:?}"

. "$SIGNET_SOURCE/tests/cli/own_disks.sh"
if [[ -z ${SIGNET_MOUNTS:-} ]]; then
    echo "no file system of one's own here"
    exit 77
fi
scratch=$(mktemp -d)
trap 'umount "$scratch/album/disk" 2>/dev/null; rm -rf -- "$scratch"' EXIT
cd "$scratch" || exit 1
signet() { "$SIGNET" "$@"; }
failures=0

# expect PATTERN COMMAND...: a line of what it prints is like PATTERN.
expect() {
    local pattern=$1
    shift
    "$@" >out 2>&1 || echo "exit status $?" >>out
    grep -q -e "$pattern" out && return
    printf '%s\n' "$* lacks \"$pattern\":"
    cat out
    ((failures++))
}

put_disk() { mount -t tmpfs -o size=8m tmpfs album/disk && cp a.png album/disk/ && cp b.png album/disk/; }

data=(fashion-mnist --data-dir "$SIGNET_SOURCE/tests/fixtures/datasets/idx")
signet data export "${data[@]}" --split train --train 3 --query 0 --database 0 --val 0 -q -o photos
signet train --arch resnet20 --size 8 --channels 1 --data folder:photos --val 0 --epochs 1 --batch 8 --threads 1 --bits 16 -q -o run
mapfile -t pictures < <(find photos -name '*.png' | sort | head -n 3)
cp "${pictures[0]}" a.png
cp "${pictures[1]}" b.png
mkdir -p album/disk
cp "${pictures[2]}" album/c.png
put_disk || exit 77
signet index create idx --model run/best.safetensors -q
expect '^added 3,' signet index add idx album -q
expect 'unchanged 3,.* kept 0,' signet index sync idx album --prune

# The folder stays, empty; with something in it; or goes.
umount album/disk
expect 'album/disk: .*not mounted' signet index sync idx album --prune
expect ' kept 2,' signet index sync idx album --prune -q
touch album/disk/NOT-MOUNTED
expect 'album/disk: held a disk .*not mounted' signet index sync idx album --prune
expect ' removed 0, kept 2,' signet index sync idx album --prune -q
rm -r album/disk
expect ' removed 0, kept 2,' signet index sync idx album --prune -q
expect 'cannot be read now.*album/disk: held a disk' signet index rebuild idx --encoder run/best.safetensors --decode exact --prune
expect '^3$' bash -c '"$SIGNET" index list idx | wc -l'

# It comes back without one of its pictures: that is gone.
mkdir album/disk
mount -t tmpfs -o size=8m tmpfs album/disk && cp a.png album/disk/
expect ' removed 1, kept 0,' signet index sync idx album --prune -q
exit $((failures > 0))
