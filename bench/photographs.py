#!/usr/bin/python3
"""A folder of JPEG photographs to codes, and one photograph on a cold start: signet beside PIL and PyTorch, in turn on the same cores.

    bench/photographs.py --data DIR --weights resnet18.pth -o OUT     about five minutes of an idle machine with two cores
    bench/photographs.py ... --precisions f32 --sizes small           a part of it

DIR is searched for .jpg files. Sizes: small, the photographs as they are; large, the same enlarged to 12 megapixels with a camera's
grain (without it they would be a tenth of a camera's files and of the work), which signet decodes at a fraction of their size. Whole processes are timed, start to end, signet's
`encode --model MODEL IMAGE...` with `--precision`. Of PyTorch it is a process that reads by PIL (for large ones with draft(), its own
decoding at a fraction, too), resizes, crops and normalises by torchvision, loads by a DataLoader and runs torchvision's ResNet-18,
frozen as TorchScript with optimize_for_inference, or in channels last (bf16: by autocast), the head a linear layer. Every setting
(workers, draft, network) is tried once; the best then runs in turn with signet. PyTorch's start (imports, tracing) is not counted
against it in the throughput: its clock starts with the first batch asked for, after a warm-up.

Printed: images a second, the ratio (median of each round's), share of the cores that was busy, peak memory. Then a cold start with
one photograph, the median of --starts, model and photograph in the page cache: from the process's start to the code."""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

THREADS = 2
LARGE_PIXELS = 12e6


def arguments():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--signet", default="build/release/cli/signet")
    p.add_argument("--data", help="folder of photographs")
    p.add_argument("--weights", help="of torchvision's resnet18")
    p.add_argument("-o", "--out", help="folder for photographs and the model")
    p.add_argument("--precisions", default="f32,bf16")
    p.add_argument("--sizes", default="small,large")
    p.add_argument("--small", type=int, default=256, help="how many photographs as they are")
    p.add_argument("--large", type=int, default=96, help="how many large ones")
    p.add_argument("--grain", type=float, default=4, help="of large ones, standard deviation of 255")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--starts", type=int, default=20, help="cold starts; 0: none")
    p.add_argument("--peer", help=argparse.SUPPRESS)  # one run of PyTorch's side: its setting as JSON
    return p.parse_args()


# PyTorch's side, in a process of its own


class Photographs:
    """A data set for DataLoader, which asks for no more than these two."""

    def __init__(self, paths, draft, transform):
        self.paths, self.draft, self.transform = paths, draft, transform

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, i):
        from PIL import Image
        image = Image.open(self.paths[i])
        if self.draft:
            image.draft("RGB", (256, 256))
        return self.transform(image.convert("RGB"))


def network(torch, weights, kind):
    import torchvision
    model = torchvision.models.resnet18()
    model.load_state_dict(torch.load(weights, map_location="cpu"))
    model.fc = torch.nn.Linear(512, 64)
    model.eval()
    return model.to(memory_format=torch.channels_last) if kind == "channels last" else model


def peer(s):
    """Prints seconds of the encoding."""
    import torch
    import torchvision.transforms as T
    torch.set_num_threads(THREADS)
    normalise = T.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    transform = T.Compose([T.Resize(256), T.CenterCrop(224), T.ToTensor(), normalise])
    batch = min(64, len(s["paths"]))
    loader = torch.utils.data.DataLoader(Photographs(s["paths"], s["draft"], transform), batch_size=batch, num_workers=s["workers"])
    model, bf16 = network(torch, s["weights"], s["network"]), s["precision"] == "bf16"
    x = torch.zeros(batch, 3, 224, 224)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        if s["network"] == "frozen":
            model = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(model, x, check_trace=False)))
        if s["network"] == "channels last":
            x = x.to(memory_format=torch.channels_last)
        for _ in range(3 if len(s["paths"]) > 1 else 0):
            model(x)
        start = time.perf_counter()
        for x in loader:
            if s["network"] == "channels last":
                x = x.to(memory_format=torch.channels_last)
            codes = model(x) > 0
    print(time.perf_counter() - start, int(codes.sum()))


# both sides, as processes


def run(command):
    """Standard output, seconds, the processor's seconds, peak megabytes."""
    start = time.perf_counter()
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True)
    out = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = status
    if status != 0:
        raise SystemExit("failed: " + " ".join(map(str, command))[:200])
    return out, seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def run_peer(a, setting, paths):
    """Seconds of the encoding alone (of a cold start: of all), and the rest as run gives it."""
    s = dict(setting, paths=[str(p) for p in paths], weights=a.weights)
    out, seconds, processor, memory = run(["/usr/bin/python3", "-W", "ignore", __file__, "--peer", json.dumps(s)])
    return float(out.split()[0]), seconds, processor, memory


def signet_command(a, precision, paths):
    return [a.signet, "encode", "-q", "--model", a.model, "--precision", precision, *paths]


def enlarge(source, target, grain):
    import numpy as np
    from PIL import Image
    image = Image.open(source).convert("RGB")
    scale = (LARGE_PIXELS / (image.width * image.height)) ** 0.5
    pixels = np.asarray(image.resize([round(side * scale) for side in image.size], Image.BICUBIC), np.int16)
    noise = np.rint(np.random.default_rng(0).standard_normal(pixels.shape[:2], np.float32) * grain).astype(np.int16)
    Image.fromarray(np.clip(pixels + noise[:, :, None], 0, 255).astype(np.uint8)).save(target, "JPEG", quality=90)


def prepare(a):
    """Paths by size; makes the model and the large photographs where they are not there."""
    out = pathlib.Path(a.out)
    (out / "large").mkdir(parents=True, exist_ok=True)
    paths = sorted(pathlib.Path(a.data).rglob("*.jpg"))
    paths = paths[:: max(1, len(paths) // a.small)][: a.small]
    large = []
    for i in range(min(a.large, len(paths)) if "large" in a.sizes else 0):
        large.append(out / "large" / ("%04d.jpg" % i))
        if not large[-1].exists():
            enlarge(paths[i], large[-1], a.grain)
    (out / "head").mkdir(exist_ok=True)
    for i, path in enumerate(paths[:256]):
        link = out / "head" / ("%04d.jpg" % i)
        if not link.exists():
            link.symlink_to(path.resolve())
    a.model = out / "run" / "best.safetensors"
    if not a.model.exists():
        run([a.signet, "train", "-q", "--weights", a.weights, "--arch", "resnet18", "--loss", "lsh", "--bits", "64", "--data",
             "folder:%s" % (out / "head"), "--protocol", "full", "--query", "0", "--val", "0", "-o", out / "run"])
    return {"small": paths, "large": large}


def best_setting(a, precision, paths, large):
    few, tried = paths[: len(paths) // 2], []
    for workers in (0, 1, 2):
        for draft in ((False, True) if large else (False,)):
            for kind in ("frozen", "channels last"):
                if large and not draft and workers != 2:
                    continue  # whole decoding: slower by far
                setting = {"workers": workers, "draft": draft, "network": kind, "precision": precision}
                tried.append((run_peer(a, setting, few)[0], setting))
    return min(tried, key=lambda t: t[0])[1]


def compare(a, precision, size, paths):
    setting = best_setting(a, precision, paths, size == "large")
    ours, theirs, ratios = [], [], []
    for _ in range(a.rounds):
        ours.append(run(signet_command(a, precision, paths))[1:])
        theirs.append(run_peer(a, setting, paths))
        ratios.append(theirs[-1][0] / ours[-1][0])
    median = statistics.median
    print("%s, %d photographs, %s" % (size, len(paths), precision))
    print("  signet   %6.1f images a second, cores busy %3.0f %%, %4.0f MB"
          % (len(paths) / median(t[0] for t in ours), 100 * median(t[1] / t[0] for t in ours) / THREADS, max(t[2] for t in ours)))
    print("  PyTorch  %6.1f images a second, cores busy %3.0f %% (with its start), %4.0f MB; %s"
          % (len(paths) / median(t[0] for t in theirs), 100 * median(t[2] / t[1] for t in theirs) / THREADS,
             max(t[3] for t in theirs), ", ".join("%s %s" % (k, v) for k, v in setting.items() if k != "precision")))
    print("  ratio    %6.2f (%.2f to %.2f)" % (median(ratios), min(ratios), max(ratios)), flush=True)


def cold_start(a, precision, path):
    setting = {"workers": 0, "draft": False, "network": "as it is", "precision": precision}
    ours, theirs = [], []
    for i in range(a.starts):
        ours.append(run(signet_command(a, precision, [path]))[1:])
        if i % 4 == 0:
            theirs.append(run_peer(a, setting, [path])[1:])
    print("one photograph on a cold start, %s" % precision)
    for name, times in (("signet", ours), ("PyTorch", theirs)):
        print("  %-8s median %5.0f ms (%.0f to %.0f), of a processor %5.0f ms, %4.0f MB"
              % (name, 1e3 * statistics.median(t[0] for t in times), 1e3 * min(t[0] for t in times), 1e3 * max(t[0] for t in times),
                 1e3 * statistics.median(t[1] for t in times), max(t[2] for t in times)), flush=True)


def main():
    a = arguments()
    if a.peer:
        peer(json.loads(a.peer))
        return
    if not (a.data and a.weights and a.out):
        sys.exit("bench/photographs.py: --data, --weights and -o are needed")
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])
    paths = prepare(a)
    for precision in a.precisions.split(","):
        if a.starts:
            cold_start(a, precision, paths["small"][0])
        for size in a.sizes.split(","):
            compare(a, precision, size, paths[size])


main()
