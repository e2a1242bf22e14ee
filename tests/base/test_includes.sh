#!/bin/bash
# Who includes what, over the whole source tree: rooms see only the rooms they may, without circles; third-party
# headers stand behind one door file each; every public header compiles alone.
# Takes the source's root from SIGNET_SOURCE. The checks are tried on small trees that break each rule first.
set -u
shopt -s nullglob

rooms="base datasets encoder index query attacks eval cli"
declare -A sees=(
    [base]=""
    [datasets]="base"
    [encoder]="base datasets"
    [index]="base"
    [query]="encoder datasets index base"
    [attacks]="encoder base"
    [eval]="attacks query encoder datasets base"
    [cli]="base datasets encoder index query attacks eval"
)
# Files that see less than their room: eval's metrics are pure.
metrics_sees="base"

third_party='^(cblas\.h|lapack\.h|dnnl[a-z_]*\.h|oneapi/.*|lmdb\.h|faiss/.*|turbojpeg\.h|jpeglib\.h|spng\.h|libexif/.*|webp/.*|libheif/.*|zlib\.h|zip\.h|cJSON\.h|cjson/.*|blake2\.h|xxhash\.h)$'

complain()
{
    echo "$1"
    failed=1
}

# Lines "FILE KIND NAME" for each include below the rooms of root $1; KIND is < or ".
list_includes()
{
    (cd "$1" && for room in $rooms; do
        [ -d "$room" ] && find "$room" -name '*.c' -o -name '*.h' -o -name '*.cpp' | grep "^$room/"
    done | LC_ALL=C sort | xargs -r grep -HoE '^[[:space:]]*#[[:space:]]*include[[:space:]]*[<"][^>"]+' |
        sed -E 's/^([^:]+):[^<"]*([<"])(.*)$/\1 \2 \3/')
}

# The room whose public header <signet/$2> is, in root $1.
owner_of()
{
    local room
    for room in $rooms; do
        [ -f "$1/$room/include/$2" ] && echo "$room"
    done
}

check_rooms()
{
    local root=$1 file kind name room owner allowed
    while read -r file kind name; do
        room=${file%%/*}
        if [ "$kind" = '"' ]; then
            case $name in
            */../* | ../*) complain "$file: \"$name\" leaves its folder" ;;
            esac
            [ -f "$root/${file%/*}/$name" ] || [ -f "$root/$room/$name" ] || complain "$file: \"$name\" is not of its room"
            case $file in
            */include/signet/*) complain "$file: a public header includes the private \"$name\"" ;;
            esac
            continue
        fi
        [[ $name == signet/* ]] || continue
        owner=$(owner_of "$root" "$name")
        [ -n "$owner" ] || { complain "$file: there is no <$name>"; continue; }
        [ "$(wc -w <<<"$owner")" = 1 ] || complain "$file: <$name> is in several rooms: $owner"
        allowed="$room ${sees[$room]}"
        [[ $file == eval/metric*.c ]] && allowed="$room $metrics_sees"
        [[ " $allowed " == *" $owner "* ]] || complain "$file: $room may not include <$name> of $owner"
        [ "$owner" = "$room" ] || echo "$room $owner" >>"$edges"
        [[ $file == */include/* ]] && echo "${file#*/include/} $name" >>"$header_edges"
    done
}

check_circles()
{
    tsort "$edges" >/dev/null 2>"$scratch/loops" || complain "rooms in a circle: $(xargs <"$scratch/loops")"
    tsort "$header_edges" >/dev/null 2>"$scratch/loops" || complain "headers in a circle: $(xargs <"$scratch/loops")"
}

check_doors()
{
    local file kind name
    : >"$scratch/doors"
    while read -r file kind name; do
        [[ $name =~ $third_party ]] || continue
        [[ $file == */include/* ]] && complain "$file: a public header includes <$name>"
        echo "$name $file" >>"$scratch/doors"
    done <"$scratch/includes"
    LC_ALL=C sort -u -o "$scratch/doors" "$scratch/doors"
    while read -r name; do
        complain "<$name> has several doors: $(awk -v n="$name" '$1 == n { print $2 }' "$scratch/doors" | xargs)"
    done < <(cut -d' ' -f1 "$scratch/doors" | uniq -d)
}

check_headers()
{
    local root=$1 room header flags other cc=${CC:-cc}
    for room in $rooms; do
        # A public header may include public headers, which may include others in turn.
        flags=
        for other in $room ${sees[$room]}; do
            flags+=" -I $root/$other/include"
            for other in ${sees[$other]}; do flags+=" -I $root/$other/include"; done
        done
        for header in "$root/$room"/include/signet/*.h; do
            printf '#include <signet/%s>\n#include <signet/%s>\n' "${header##*/}" "${header##*/}" >"$scratch/alone.c"
            # shellcheck disable=SC2086
            "$cc" -std=gnu11 -Wall -Wextra -Werror -fopenmp -fsyntax-only $flags "$scratch/alone.c" ||
                complain "$room: <signet/${header##*/}> does not compile alone"
        done
    done
}

# All checks of root $1; true when nothing was wrong.
check()
{
    failed=0
    edges=$scratch/edges header_edges=$scratch/header_edges
    : >"$edges"
    : >"$header_edges"
    list_includes "$1" >"$scratch/includes"
    check_rooms "$1" <"$scratch/includes"
    check_circles
    check_doors
    check_headers "$1"
    [ $failed = 0 ]
}

# A small tree that is right; $1 is then added to the file $2, and the checks must say $3.
must_complain()
{
    local tree=$scratch/tree
    rm -rf "$tree"
    mkdir -p "$tree"/{base,datasets,encoder,index,attacks,eval}/include/signet
    echo '#include <stddef.h>' >"$tree/base/include/signet/error.h"
    echo 'struct image;' >"$tree/datasets/include/signet/image.h"
    echo '#include <signet/image.h>' >"$tree/encoder/include/signet/net.h"
    echo 'struct store;' >"$tree/index/include/signet/store.h"
    printf '#include <signet/error.h>\n#include "json_impl.h"\n#include <cJSON.h>\n' >"$tree/base/json.c"
    echo '#include <math.h>' >"$tree/base/json_impl.h"
    printf '#include <signet/net.h>\n' >"$tree/attacks/hag.c"
    printf '#include <signet/error.h>\n' >"$tree/eval/metrics.c"
    printf '#include <signet/net.h>\n' >"$tree/eval/audit.c"
    if ! check "$tree" >"$scratch/said" 2>&1; then
        echo "the tree that is right: $(cat "$scratch/said")"
        exit 1
    fi
    printf '%s\n' "$1" >>"$tree/$2"
    if check "$tree" >"$scratch/said" 2>&1 || ! grep -q -- "$3" "$scratch/said"; then
        echo "not found: '$3' after '$1' in $2; said: $(cat "$scratch/said")"
        exit 1
    fi
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

must_complain '#include <signet/net.h>' base/json.c 'base may not include <signet/net.h> of encoder'
must_complain '#  include <signet/image.h>' attacks/hag.c 'attacks may not include <signet/image.h> of datasets'
must_complain '#include <signet/store.h>' eval/audit.c 'eval may not include <signet/store.h> of index'
must_complain '#include <signet/net.h>' eval/metrics.c 'eval may not include <signet/net.h> of encoder'
must_complain '#include <signet/none.h>' base/json.c 'there is no <signet/none.h>'
must_complain '#include "../base/json_impl.h"' index/store.c 'leaves its folder'
must_complain '#include "json_impl.h"' index/store.c 'is not of its room'
must_complain '#include "json_impl.h"' base/include/signet/json.h 'includes the private'
must_complain 'int x;' index/include/signet/error.h 'is in several rooms'
must_complain '#include <cJSON.h>' encoder/other.c '<cJSON.h> has several doors: base/json.c encoder/other.c'
must_complain '#include <lmdb.h>' index/include/signet/store.h 'a public header includes <lmdb.h>'
must_complain '#include <signet/net.h>' datasets/include/signet/image.h 'in a circle'
must_complain 'size_t lonely(void);' index/include/signet/store.h 'does not compile alone'

check "$SIGNET_SOURCE"
