#!/usr/bin/python3
"""What computing in bf16 does to codes, mAP and training: the ground for --precision's default.

Makes two hashes in f32 (itq, fitted without labels, and csq, fine-tuned by usf) and csq again in bf16, all from the same weights and
seed, then the codes of all queries and of the database by the same model in f32 and in bf16.

    bench/precision.py --signet build/release/cli/signet --data DIR --weights resnet18.pth --arch resnet18 -o OUT

DIR has query.txt, database.txt, train.txt, as list: reads them. Prints, for each hash, the share of bits that differ between
its codes in f32 and in bf16, of pictures whose code is the same, and mAP over the whole database; then loss and mAP of validation
pictures by epoch, and processor seconds. What is finished in OUT is kept."""
import argparse
import json
import os
import pathlib
import resource
import subprocess

import numpy as np

PRECISIONS = "f32", "bf16"


def arguments():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--signet", default="build/release/cli/signet")
    p.add_argument("--data", required=True, help="folder with query.txt, database.txt, train.txt")
    p.add_argument("--weights", required=True)
    p.add_argument("--arch", default="resnet18")
    p.add_argument("--size", default="224", help="side of the network's input")
    p.add_argument("--epochs", default="4", help="of csq")
    p.add_argument("--val", default="5", help="pictures a class that training validates on, taken from the database")
    p.add_argument("--threads", default="0", help="0: all cores")
    p.add_argument("-o", "--out", required=True, help="folder for runs and codes")
    return p.parse_args()


def run(a, *words):
    """Standard output, and processor seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    threads = () if a.threads == "0" else ("--threads", a.threads)
    out = subprocess.run([a.signet, *map(str, words), "-q", *threads], check=True, stdout=subprocess.PIPE,
                         env={**os.environ, "OMP_WAIT_POLICY": "passive"}).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return out, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def data(a):
    return "--data", "list:%s" % a.data, "--val", a.val


def train(a, folder, *words):
    """The model of a run, and its processor seconds; they are kept beside it."""
    model, spent = folder / "best.safetensors", folder / "seconds"
    if not spent.exists():
        seconds = run(a, "train", "--weights", a.weights, "--arch", a.arch, "--size", a.size, *data(a), *words, "-o", folder)[1]
        spent.write_text("%.2f" % seconds)
    return model, float(spent.read_text())


def encode(a, model, precision, out):
    """Bits of queries and database, and processor seconds a picture."""
    codes, seconds = [], 0
    for part in ("query", "database"):
        npy = "%s-%s-%s.npy" % (out, precision, part)
        seconds += run(a, "encode", "--model", model, "--precision", precision, *data(a), "--split", part, "--npy", npy)[1]
        codes.append(np.load(npy))
    codes = np.concatenate(codes)
    return np.unpackbits(codes, axis=1), seconds / len(codes)


def retrieval(a, model, precision):
    text = run(a, "eval", "--model", model, "--precision", precision, *data(a), "--top", 0, "--json")[0]
    return json.loads(text)["map"]["expected"]


def epochs(folder):
    lines = map(json.loads, (folder / "train.jsonl").read_text().splitlines())
    return [line for line in lines if "epoch" in line]


def main():
    a = arguments()
    out = pathlib.Path(a.out)
    out.mkdir(parents=True, exist_ok=True)
    csq = ("--loss", "csq", "--rule", "usf", "--bits", 32, "--epochs", a.epochs, "--batch", 32, "--lr", "1e-4", "--head-lr", 10)
    models = {"itq": train(a, out / "itq", "--loss", "itq", "--bits", 64, "--precision", "f32")}
    for precision in PRECISIONS:
        models["csq " + precision] = train(a, out / ("csq-" + precision), *csq, "--precision", precision)

    print("%-22s %7s %9s %9s %9s %23s" % ("hash", "bits", "differ", "the same", "mAP", "seconds a picture"))
    print("%-22s %7s %9s %9s %9s %11s %11s" % ("", "", "of bits", "codes", "f32, bf16", *PRECISIONS))
    for name, (model, _) in models.items():
        one, other = (encode(a, model, precision, out / name.replace(" ", "-")) for precision in PRECISIONS)
        value = [retrieval(a, model, precision) for precision in PRECISIONS]
        differ = one[0] != other[0]
        print("%-22s %7d %7.3f %% %7.1f %% %.4f %.4f %9.4f %9.4f" %
              (name, differ.shape[1], 100 * differ.mean(), 100 * (~differ.any(axis=1)).mean(), *value, one[1], other[1]))

    print("\ncsq      loss f32      bf16   mAP f32      bf16")
    for one, other in zip(*(epochs(out / ("csq-" + precision)) for precision in PRECISIONS)):
        print("epoch %-4d %7.4f   %7.4f   %7.4f   %7.4f" % (one["epoch"], one["loss"], other["loss"], one["score"], other["score"]))
    print("processor seconds of training: f32 %.1f, bf16 %.1f" % (models["csq f32"][1], models["csq bf16"][1]))


main()
