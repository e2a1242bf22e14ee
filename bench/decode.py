#!/usr/bin/python3
"""What decoding large photographs at a fraction of their size does to codes, mAP and time: the ground for --decode's default.

Enlarges photographs of a list (PIL, bicubic, JPEG quality 90) so that they are as large as a camera's, with --noise as grainy too,
then encodes them with a hash whose photographs are decoded whole (exact), and with the same hash at a fraction (scaled).
The hash is fitted on the list's own photographs, which are too small to be scaled: it is the same in both.

    bench/decode.py --signet build/release/cli/signet --data DIR --weights resnet18.pth --arch resnet18 -o OUT

DIR has query.txt, database.txt, train.txt as list: reads them. Prints, for each way of decoding, mAP over the whole database
and processor seconds a photograph, and the share of bits that differ."""
import argparse
import json
import os
import pathlib
import resource
import subprocess

import numpy as np
from PIL import Image


def arguments():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--signet", default="build/release/cli/signet")
    p.add_argument("--data", required=True, help="folder with query.txt, database.txt, train.txt")
    p.add_argument("--weights", required=True)
    p.add_argument("--arch", default="resnet18")
    p.add_argument("--bits", default="64")
    p.add_argument("--each", type=int, default=10, help="photographs a class in the database, and half as many queries")
    p.add_argument("--longer", type=int, default=4000, help="pixels of the longer side")
    p.add_argument("--noise", type=float, default=0, help="standard deviation of the grain, of 255")
    p.add_argument("-o", "--out", required=True, help="folder for photographs, runs and codes")
    return p.parse_args()


def pick(path, each):
    """The first lines of each class (the rest of the line after the path)."""
    seen, lines = {}, []
    for line in path.read_text().splitlines():
        label = line.split(" ", 1)[1]
        seen[label] = seen.get(label, 0) + 1
        if seen[label] <= each:
            lines.append(line)
    return lines


def enlarge(source, target, longer, grain, rng):
    """grain: a plane larger than the photographs, of which each takes another part; None: none."""
    target.parent.mkdir(parents=True, exist_ok=True)
    image = Image.open(source).convert("RGB")
    scale = longer / max(image.size)
    image = image.resize([round(side * scale) for side in image.size], Image.BICUBIC)
    if grain is not None:
        y, x = rng.integers(0, 64, 2)
        part = grain[y:y + image.height, x:x + image.width, None]
        image = Image.fromarray(np.clip(np.asarray(image, np.int16) + part, 0, 255).astype(np.uint8))
    image.save(target, "JPEG", quality=90)


def make_lists(a, big, small):
    rng = np.random.default_rng(0)
    grain = np.rint(rng.standard_normal((a.longer + 64, a.longer + 64), np.float32) * a.noise).astype(np.int16) if a.noise else None
    for part, each in (("query", (a.each + 1) // 2), ("database", a.each)):
        lines = pick(pathlib.Path(a.data) / (part + ".txt"), each)
        for folder in (big, small):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / (part + ".txt")).write_text("\n".join(lines) + "\n")
        for line in lines:
            name = line.split(" ", 1)[0]
            if not (big / name).exists():
                enlarge(pathlib.Path(a.data) / name, big / name, a.longer, grain, rng)


def run(a, *words):
    """Standard output, and processor seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    out = subprocess.run([a.signet, *map(str, words), "-q"], check=True, stdout=subprocess.PIPE,
                         env={**os.environ, "OMP_WAIT_POLICY": "passive"}).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return out, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def encode(a, model, data, data_dir, npy):
    codes, seconds = [], 0
    for part in ("query", "database"):
        seconds += run(a, "encode", "--model", model, "--data", "list:%s" % data, "--data-dir", data_dir, "--val", 0, "--split", part,
                       "--npy", "%s-%s.npy" % (npy, part))[1]
        codes.append(np.load("%s-%s.npy" % (npy, part)))
    codes = np.concatenate(codes)
    return np.unpackbits(codes, axis=1), seconds / len(codes)


def main():
    a = arguments()
    out = pathlib.Path(a.out)
    big, small = out / "large", out / "lists"
    make_lists(a, big, small)
    bits, seconds, value = {}, {}, {}
    for decode in ("exact", "scaled"):
        folder = out / decode
        model = folder / "best.safetensors"
        if not model.exists():
            run(a, "train", "--weights", a.weights, "--arch", a.arch, "--loss", "itq", "--bits", a.bits, "--val", 0, "--decode", decode,
                "--data", "list:%s" % a.data, "-o", folder)
        bits[decode], seconds[decode] = encode(a, model, big, big, out / decode)
        text = run(a, "eval", "--model", model, "--data", "list:%s" % big, "--val", 0, "--top", 0, "--json")[0]
        value[decode] = json.loads(text)["map"]["expected"]
    bits["small"], seconds["small"] = encode(a, out / "exact" / "best.safetensors", small, a.data, out / "small")
    text = run(a, "eval", "--model", out / "exact" / "best.safetensors", "--data", "list:%s" % small, "--data-dir", a.data, "--val", 0,
               "--top", 0, "--json")[0]
    print("%d photographs, longer side %d, grain %g" % (len(bits["exact"]), a.longer, a.noise))
    print("as they are     mAP %.4f  %.3f s of a processor each" % (json.loads(text)["map"]["expected"], seconds["small"]))
    for decode in ("exact", "scaled"):
        print("large, %-8s mAP %.4f  %.3f s, of which for being large %.3f; bits other than of the small ones %.2f %%"
              % (decode, value[decode], seconds[decode], seconds[decode] - seconds["small"], 100 * (bits[decode] != bits["small"]).mean()))
    print("bits that differ between exact and scaled: %.3f %%" % (100 * (bits["exact"] != bits["scaled"]).mean()))


main()
