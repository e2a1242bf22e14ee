#!/bin/bash
# Files of import and export beside those that read and write them elsewhere: FAISS, NumPy, Python's csv and json.
set -euo pipefail
: "${SIGNET:?the program}" "${SIGNET_SOURCE:?its source}"
python=/usr/bin/python3
"$python" -c 'import faiss, numpy' 2>/dev/null || {
    echo 'python3-faiss and python3-numpy are not there'
    exit 77
}
scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT
cd "$scratch"
signet() { "$SIGNET" "$@" -q; }
data=(--data-dir "$SIGNET_SOURCE/tests/fixtures/datasets/idx")

signet data export fashion-mnist "${data[@]}" --split train --train 4 --query 0 --database 0 --val 0 -o photos
cp "$(find photos -name '*.png' | sort | head -n 1)" $'photos/odd \xe9, "name".png'
signet train --arch resnet20 --size 8 --channels 1 --data folder:photos --val 0 --bits 32 --epochs 1 --batch 8 -o run
signet index create idx --model run/best.safetensors
signet index add idx photos >/dev/null
signet index remove idx --id 3,17
signet index export idx -o all.faiss
signet index export idx -o codes.npy --ids ids.npy
signet index export idx -o all.jsonl
signet index export idx -o all.csv
signet index list idx --json >list
signet query idx photos/*/*.png -k 7 --json >answers

"$python" - <<'END'
import csv, json, faiss, numpy as np
listed = [json.loads(line) for line in open('list')]
codes = np.array([list(bytes.fromhex(item['code'])) for item in listed], np.uint8)
ids = np.array([item['id'] for item in listed], np.int64)

# NumPy
assert np.array_equal(np.load('codes.npy'), codes) and np.array_equal(np.load('ids.npy'), ids)

# FAISS finds what a plain search finds, under signet's ids, and what signet itself answers.
index = faiss.read_index_binary('all.faiss')
assert index.ntotal == len(ids) and index.d == 32
distances, found = index.search(codes, 7)
plain = np.unpackbits(codes[:, None] ^ codes[None], axis=2).sum(2)
for row in range(len(ids)):
    order = sorted(zip(plain[row], ids))[:7]
    assert [d for d, _ in order] == list(distances[row])
    for d, i in zip(distances[row], found[row]):
        assert plain[row][list(ids).index(i)] == d
by_path = {item['path']: row for row, item in enumerate(listed)}
asked = 0
for line in open('answers'):
    answer = json.loads(line)
    rows = [row for path, row in by_path.items() if path.endswith('/' + answer['query'])]
    for row in rows:
        assert [result['distance'] for result in answer['results']] == list(distances[row])
        asked += 1
assert asked > 20

# JSON lines and CSV, as Python reads them
rows = [json.loads(line) for line in open('all.jsonl')]
table = list(csv.DictReader(open('all.csv', newline='', encoding='utf-8')))
assert len(rows) == len(table) == len(listed)
for item, row, cells in zip(listed, rows, table):
    for key in ('id', 'path', 'path_hex', 'code', 'content', 'size'):
        assert item.get(key) == row.get(key), key
        assert str(item.get(key, '')) == cells[key], key
    assert abs(int(row['mtime_ns']) / 1e9 - item['mtime']) < 1e-6 and row['mtime_ns'] == cells['mtime_ns']
assert sum('path_hex' in row for row in rows) == 1

# What Python writes
flat = faiss.IndexBinaryFlat(32)
flat.add(codes)
faiss.write_index_binary(flat, 'flat.faiss')
mapped = faiss.IndexBinaryIDMap(faiss.IndexBinaryFlat(32))
mapped.add_with_ids(codes, ids + 1000)
faiss.write_index_binary(mapped, 'mapped.faiss')
faiss.write_index_binary(faiss.index_binary_factory(32, 'BHNSW8'), 'hnsw.faiss')
np.save('python.npy', codes)
with open('python.csv', 'w', newline='') as file:
    writer = csv.writer(file)
    writer.writerow(['path', 'note', 'code', 'content', 'size', 'mtime_ns'])
    for item in listed:
        if 'path_hex' not in item:
            writer.writerow(['/else' + item['path'], 'a "note",\nof two lines', item['code'], item['content'], 1, 2])
END

# What FAISS wrote is what is written.
signet index create fresh --model run/best.safetensors
signet index import fresh flat.faiss >/dev/null
signet index import fresh mapped.faiss --keep-ids >/dev/null
signet index import fresh python.npy >/dev/null
signet index import fresh python.csv >/dev/null
signet index create same --model run/best.safetensors
signet index import same all.faiss --keep-ids >/dev/null
signet index export same -o again.faiss
cmp all.faiss again.faiss
! signet index import fresh hnsw.faiss 2>err
grep -q 'hnsw.faiss: byte 0: no flat binary index of FAISS' err
signet index verify fresh
signet index export fresh -o fresh.jsonl
"$python" - <<'END'
import json
listed = [json.loads(line) for line in open('list')]
fresh = [json.loads(line) for line in open('fresh.jsonl')]
n = len(listed)
named = [item for item in listed if 'path_hex' not in item]
codes = [item['code'] for item in listed]
assert [item['code'] for item in fresh] == 3 * codes + [item['code'] for item in named]
last = listed[-1]['id'] + 1000
want = list(range(1, n + 1)) + [item['id'] + 1000 for item in listed] + list(range(last + 1, last + 1 + n + len(named)))
assert [item['id'] for item in fresh] == want
assert [item.get('path') for item in fresh] == 3 * n * [None] + ['/else' + item['path'] for item in named]
END
