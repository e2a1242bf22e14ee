#!/usr/bin/python3
"""Peak memory of signet's processes beside PyTorch's: encode at batch 64, an attack and training at batch 32.

    bench/memory.py --data DIR -o OUT [--nets resnet18,vgg16,alexnet] [--precision f32]

DIR is searched for .jpg files. signet runs `train` (one epoch of csq on one batch), `encode` and `attack --attack hag` (one iteration)
of what that made. PyTorch's side takes random pixels (no pictures, no loader), so that its figure is the network's alone: a forward
pass without gradients; a gradient of the input with frozen weights; a step of SGD with momentum. All in f32 or bf16 (PyTorch's by
autocast). Megabytes are the process's peak of resident memory (ru_maxrss)."""
import argparse
import os
import pathlib
import subprocess
import sys

BATCH = {"encode": 64, "attack": 32, "train": 32}

PEER = """
import sys, torch, torchvision
net, purpose, batch, bf16 = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] == "bf16"
torch.set_num_threads(2)
model = getattr(torchvision.models, net)(num_classes=32).train(purpose == "train")
x = torch.rand(batch, 3, 224, 224, requires_grad=purpose == "attack")
if purpose != "train":
    model.requires_grad_(False)
optimiser = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9) if purpose == "train" else None
for _ in range(2):
    with torch.set_grad_enabled(purpose != "encode"), torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        z = model(x)
    if purpose != "encode":
        z.float().square().mean().backward()
    if optimiser:
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
"""


def peak(command):
    """Megabytes."""
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = status
    if status != 0:
        sys.exit("failed: " + " ".join(map(str, command))[:200])
    return usage.ru_maxrss / 1024


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--signet", default="build/release/cli/signet")
    p.add_argument("--data", required=True, help="folder of photographs")
    p.add_argument("--nets", default="resnet18,vgg16,alexnet")
    p.add_argument("--precision", choices=["f32", "bf16"], default="f32")
    p.add_argument("-o", "--out", required=True)
    a = p.parse_args()
    out = pathlib.Path(a.out)
    paths = sorted(pathlib.Path(a.data).rglob("*.jpg"))[:64]
    links = []
    for i, path in enumerate(paths[: BATCH["train"]]):  # two classes
        link = out / "pictures" / ("class%d" % (i % 2)) / ("%02d.jpg" % i)
        link.parent.mkdir(parents=True, exist_ok=True)
        links.append(link)
        if not link.exists():
            link.symlink_to(path.resolve())
    for net in a.nets.split(","):
        run = out / ("%s-%s" % (net, a.precision))
        model = run / "best.safetensors"
        commands = {
            "train": ["train", "--arch", net, "--data", "folder:%s" % (out / "pictures"), "--protocol", "full", "--query", 0, "--val", 0,
                      "--batch", BATCH["train"], "--epochs", 1, "--optimizer", "sgd", "--precision", a.precision,
                      "-o", run],
            "encode": ["encode", "--model", model, *paths[: BATCH["encode"]]],
            "attack": ["attack", "--model", model, "--attack", "hag", "--iterations", 1, "-o", run / "attacked", *links],
        }
        for purpose, words in commands.items():
            ours = peak([a.signet, *words, "-q"])
            theirs = peak(["/usr/bin/python3", "-W", "ignore", "-c", PEER, net, purpose, BATCH[purpose], a.precision])
            print("%-9s %-7s %s batch %2d: signet %5.0f MB, PyTorch %5.0f MB" % (net, purpose, a.precision, BATCH[purpose], ours, theirs),
                  flush=True)


main()
