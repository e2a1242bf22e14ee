#!/bin/bash
# A full disk, a limit of the size of files, a folder that may not be written: one line that says where, exit status 1,
# no temporary left, and what was there is sound.
set -uo pipefail
: "${SIGNET:?the program}" "${SIGNET_SOURCE:?}"

. "$SIGNET_SOURCE/tests/cli/own_disks.sh"
scratch=$(mktemp -d)
trap 'umount "$scratch/disk" 2>/dev/null; rm -rf -- "$scratch"' EXIT
chmod 755 "$scratch"
cd "$scratch" || exit 1
mkdir disk
signet() { "$SIGNET" "$@"; }
failures=0 refused=0

fail() {
    printf '%s\n' "$*"
    ((failures++))
}

expect() {
    "$@" >out 2>err && return
    fail "$*"
    head -n 5 err
}

# check STATUS ARGUMENTS...: of a signet that has run, with its streams in out and err.
check() {
    local status=$1
    shift
    local -a lines left
    mapfile -t lines <err
    mapfile -t left < <(find disk locked -name '*.tmp' 2>/dev/null)
    ((status > 1)) && fail "exit status $status: signet $*"
    ((status == 1)) && ((refused++))
    ((status == 1)) && [[ ${#lines[@]} != 1 || ${lines[0]} != 'signet: '*': '* ]] && fail "stderr of signet $*:" "${lines[@]}"
    ((${#left[@]})) && fail "left by signet $*:" "${left[@]}"
}

# --- a full disk ---

# fill KIBIBYTES: leaves so much room on the disk. Blocks are pages of 4 KiB.
fill() {
    local room
    room=$(df --output=avail -k disk | tail -n 1)
    ((room > $1)) && head -c $(((room - $1) * 1024)) /dev/zero >disk/filling
}

# on_disk "ROOMS" PREPARATION ARGUMENTS...: signet on a disk with so many KiB free; what PREPARATION (a function) put
# there before stays as it was or is sound.
on_disk() {
    local rooms=$1 prepare=$2 room
    shift 2
    for room in $rooms; do
        mount -t tmpfs -o size=8m tmpfs disk || exit 77
        $prepare
        fill "$room"
        signet "$@" >out 2>err
        check $? "$@"
        rm -f disk/filling
        [[ ! -e disk/idx ]] || expect signet index verify disk/idx -q
        [[ ! -e disk/run ]] || ! grep -qs finished disk/run/train.jsonl || expect signet model info disk/run/best.safetensors
        umount disk
    done
}

# read_only PREPARATION: an index on a medium that can only be read answers, and is not changed.
read_only() {
    mount -t tmpfs -o size=8m tmpfs disk || exit 77
    $1
    mount -o remount,ro disk || exit 77
    expect signet index verify disk/idx -q
    expect signet index list disk/idx
    expect signet query disk/idx 0.png
    local -a writers=(
        "index add disk/idx photos -q"
        "index remove disk/idx --id 1"
        "index create disk/new --model hash/best.safetensors"
        "index set disk/idx --id 1 --attribute a=b"
        "index sync disk/idx photos --prune -q"
        "index compact disk/idx"
        "index rebuild disk/idx --kind mih"
        "index rebuild disk/idx --encoder other/best.safetensors"
        "index relocate disk/idx photos /elsewhere"
        "index merge disk/idx idx"
        "index dedupe disk/idx --keep-apart 1,2"
        "index copy idx disk/new"
        "index repair idx -o disk/new"
        "index export disk/idx -o disk/all.csv"
    )
    for line in "${writers[@]}"; do
        read -ra words <<<"$line"
        signet "${words[@]}" >out 2>err
        check $? "${words[@]}"
        grep -q 'disk.*: Read-only file system$' err || fail "a medium that can only be read: signet $line"
    done
    umount disk
}

data=(fashion-mnist --data-dir "$SIGNET_SOURCE/tests/fixtures/datasets/idx")
expect signet data export "${data[@]}" --split train --train 3 --query 0 --database 0 --val 0 -q -o photos
training=(train --arch resnet20 --size 8 --channels 1 --data folder:photos --val 0 --epochs 1 --batch 8 --threads 1 -q)
expect signet "${training[@]}" --bits 16 -o hash
expect signet train --weights hash/best.safetensors --data folder:photos --val 0 --loss lsh --bits 24 -q -o other
expect signet index create idx --model hash/best.safetensors -q
expect cp -a idx full
expect signet index add full photos -q
expect signet index export full -o full.jsonl -q
i=0
while read -r file; do cp "$file" "$((i++)).png"; done < <(find photos -name '*.png' | sort | head -n 8)

empty() { :; }
index() { cp -a idx disk/; }
index_without_lock() { cp -a idx disk/ && rm -f disk/idx/lock.mdb; }
filled_index_without_lock() { filled_index && rm disk/idx/lock.mdb; }
filled_index() { cp -a idx disk/ && expect signet index add disk/idx photos -q; }

if [[ -n ${SIGNET_MOUNTS:-} ]]; then
    on_disk '4 500 1600' empty "${training[@]}" -o disk/run
    on_disk '0 16 60' empty data export folder:photos --split train --query 0 --val 0 -q -o disk/exported
    on_disk '0 4 40 64 1000 1140' empty index create disk/idx --model hash/best.safetensors -q
    on_disk '0 4 8 16 24 32 48' index index add disk/idx photos -q --threads 1
    on_disk '0 4' index_without_lock index add disk/idx photos -q --threads 1
    on_disk '0' filled_index index remove disk/idx photos/Bag/*.png
    on_disk '0' filled_index query disk/idx 0.png
    on_disk '0 4' index_without_lock query disk/idx 0.png
    on_disk '4 16' filled_index query disk/idx 0.png --html disk/sheet.html -q
    on_disk '0 8 20' empty attack --model hash/best.safetensors --iterations 1 --threads 1 -q -o disk/attacked {0..7}.png
    on_disk '8 24 60' empty audit --model hash/best.safetensors --data folder:photos --attack hag --eps 8/255 \
        --iterations 1 --queries 3 --threads 1 -q -o disk/audited
    on_disk '0' empty encode --model hash/best.safetensors 0.png --npy disk/codes.npy
    on_disk '0 40' filled_index index compact disk/idx -q
    on_disk '0 300' filled_index index copy disk/idx disk/new -q
    on_disk '0 1100' filled_index index repair disk/idx -o disk/new -q
    on_disk '0 8' filled_index index rebuild disk/idx --kind mih -q
    on_disk '0 8' filled_index index set disk/idx --where label=x --attribute label=y -q
    on_disk '0 8' index index sync disk/idx photos -q --threads 1
    on_disk '0 8 24' index index merge disk/idx full -q
    on_disk '0 8 24' index index import disk/idx full.jsonl -q
    on_disk '0 4' empty index export full -o disk/full.csv -q
    on_disk '0 4' empty index export full -o disk/full.npy --ids disk/ids.npy -q
    on_disk '0 4' empty index dedupe full --html disk/sheet.html -q
    read_only filled_index
    read_only filled_index_without_lock
else
    echo "no file system of one's own here: only limits are tried"
fi

# --- a limit of the size of files, whose signal must not end the program ---
limited() {
    local nblocks=$1
    shift
    (
        ulimit -f "$nblocks"
        exec "$SIGNET" "$@" >out 2>err
    )
    local status=$?
    check $status "$@"
    ((status == 1)) || fail "exit status $status under a limit: signet $*"
}
limited 100 "${training[@]}" -o disk/limited
limited 100 index create disk/idx2 --model hash/best.safetensors
cp -a idx disk/idx
limited 40 index add disk/idx photos -q
expect signet index verify disk/idx -q
expect signet index add disk/idx photos -q
limited 8 query disk/idx 0.png --html disk/sheet.html -q
rm -r disk/*

# --- a folder that may not be written ---
other=()
if ((EUID == 0)); then
    other=(setpriv --reuid=65534 --regid=65534 --clear-groups)
    "${other[@]}" test -x "$SIGNET" 2>/dev/null || other=()
    ((${#other[@]})) || echo "no other user to be: read-only folders are not tried"
fi
locked() {
    "${other[@]}" "$SIGNET" "$@" >out 2>err
    local status=$?
    check $status "$@"
    if ((status != 1)) || ! grep -q 'locked.*: Permission denied$' err; then
        fail "status $status of a locked folder: signet $*"
    fi
}
if ((EUID != 0 || ${#other[@]})); then
    mkdir locked
    cp -a idx locked/
    cp 0.png locked/0.png
    rm -f out err
    touch out err
    chmod -R a+rX .
    chmod 666 out err
    chmod -R a-w locked
    locked "${training[@]}" -o locked/run
    locked data export folder:photos -q -o locked/exported
    locked index create locked/idx2 --model hash/best.safetensors
    locked index add locked/idx photos -q
    locked index remove locked/idx --id 1
    locked attack --model hash/best.safetensors --iterations 1 -q -o locked 1.png
    locked audit --model hash/best.safetensors --data folder:photos -q -o locked/audited
    locked encode --model hash/best.safetensors 0.png --npy locked/codes.npy
    # Who may only read, reads, with the table of readers out of reach, absent or unreadable.
    reads() {
        expect "${other[@]}" "$SIGNET" index verify locked/idx -q
        expect "${other[@]}" "$SIGNET" index list locked/idx
        expect "${other[@]}" "$SIGNET" query locked/idx 0.png
    }
    hide() { chmod "$( ((EUID == 0)) && echo 600 || echo 000)" "$1"; }
    reads
    hide locked/idx/lock.mdb
    reads
    chmod u+w locked/idx
    rm -f locked/idx/lock.mdb
    chmod u-w locked/idx
    reads
    [[ ! -e locked/idx/lock.mdb ]] || fail "a reader made lock.mdb in a locked folder"
    for file in data.mdb encoder.safetensors; do
        hide "locked/idx/$file"
        locked query locked/idx 0.png
        locked index verify locked/idx
        chmod a+r "locked/idx/$file"
    done
    hide locked/0.png
    locked encode --model hash/best.safetensors locked/0.png
    chmod -R u+rwX locked
    expect signet index verify locked/idx -q
    expect signet index add locked/idx photos -q
fi

echo "$refused refusals, $failures failures"
((failures == 0))
