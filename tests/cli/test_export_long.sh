#!/bin/bash
# PyTorch's files come in and go out again: what `model export` writes loads into torchvision's networks (all of a classifier;
# all but the head of a hash) with the same numbers. Needs python3-torchvision; the program's path is in SIGNET.
set -uo pipefail
: "${SIGNET:?the program}" "${SIGNET_SOURCE:?}"
python=/usr/bin/python3
if ! $python -c 'import torch, torchvision' 2>/dev/null; then
    echo 'skipped: python3-torchvision is not installed'
    exit 77
fi
scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT
cd "$scratch" || exit 1
fail() {
    echo "$*"
    exit 1
}

cat >make.py <<'END'
import sys, torch, torchvision
torch.manual_seed(1)
net = getattr(torchvision.models, sys.argv[1])(num_classes=12)
for name, buffer in net.named_buffers(): # statistics that are not those of a new network
    if name.endswith("running_mean"): buffer.normal_()
    if name.endswith("running_var"): buffer.uniform_(0.5, 2)
torch.save({"state_dict": {"module." + k: v for k, v in net.state_dict().items()}, "epoch": 3}, sys.argv[1] + ".pth")
END

cat >check.py <<'END'
import json, struct, sys, numpy, torch, torchvision
arch, path, hash_head = sys.argv[1], sys.argv[2], sys.argv[3:] == ["hash"]
data = open(path, "rb").read()
length = struct.unpack("<Q", data[:8])[0]
state = {}
for name, entry in json.loads(data[8:8 + length]).items():
    if name == "__metadata__": continue
    begin, end = entry["data_offsets"]
    values = numpy.frombuffer(data[8 + length:][begin:end], "<f4").reshape(entry["shape"])
    state[name] = torch.from_numpy(values.copy())
saved = {k[7:]: v for k, v in torch.load(arch + ".pth")["state_dict"].items()}
net = getattr(torchvision.models, arch)(num_classes=12)
wrong = net.load_state_dict(state, strict=not hash_head)
if hash_head:
    last = {"alexnet": "classifier.6", "squeezenet1_0": "classifier.1",
            "mobilenet_v2": "classifier.1"}.get(arch, "fc")
    assert sorted(wrong.missing_keys) == [last + ".bias", last + ".weight"], wrong.missing_keys
    assert sorted(wrong.unexpected_keys) == ["head.bias", "head.weight"], wrong.unexpected_keys
for name, value in net.state_dict().items():
    if name in state: assert torch.equal(value, saved[name]), name
END

"$SIGNET" data export fashion-mnist --data-dir "$SIGNET_SOURCE/tests/fixtures/datasets/idx" --split train --train 3 \
    --query 0 --database 0 --val 0 -q -o photos || fail 'no pictures'
for arch in resnet18 squeezenet1_0 mobilenet_v2 alexnet; do
    $python make.py $arch || fail "$arch: cannot be made"
    "$SIGNET" model import $arch.pth --arch $arch -q -o model || fail "$arch: import"
    "$SIGNET" model export model -o plain || fail "$arch: export"
    $python check.py $arch plain || fail "$arch: PyTorch does not take it back"
    # lsh leaves the body as it is.
    "$SIGNET" train --weights $arch.pth --arch $arch --size 64 --loss lsh --bits 16 --data folder:photos -q -o run-$arch ||
        fail "$arch: train"
    "$SIGNET" model export run-$arch/best.safetensors -o plain || fail "$arch: export of a hash"
    $python check.py $arch plain hash || fail "$arch: PyTorch does not take the hash's body back"
    rm -rf $arch.pth model plain run-$arch
done
