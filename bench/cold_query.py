#!/usr/bin/python3
"""From a process's start to a query's answer, and a server's answers: ResNet-18 and an index of a million codes, in the page cache.

    bench/cold_query.py -o OUT                    about a minute, half of it once for the model and the index in OUT
    bench/cold_query.py -o OUT --codes 10000000   another size

Printed, each the median of --starts (least and most beside it): milliseconds from the start of `signet query INDEX PICTURE` to its end, and of
`signet encode` with the same picture and model, which searches nothing: their ratio is what the index adds. Then of a server
(`signet query INDEX --serve`), from the request to its answer: of the picture, and of a code, which needs no network: all that is not the network. The
picture is a JPEG of 640 x 480. Of the system it is asked that nothing else runs. Needs PIL (`scripts/setup --extra`)."""
import argparse
import json
import os
import pathlib
import random
import signal
import socket
import statistics
import struct
import subprocess
import time

BITS = 64


def arguments():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--signet", default="build/release/cli/signet")
    p.add_argument("-o", "--out", required=True, help="folder for the model, the index and the picture")
    p.add_argument("--codes", type=int, default=1000000)
    p.add_argument("--kind", default="flat", help="of the index")
    p.add_argument("--starts", type=int, default=15)
    return p.parse_args()


def run(*command):
    subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)


def write_codes(path, n):
    header = "{'descr': '|u1', 'fortran_order': False, 'shape': (%d, %d), }" % (n, BITS // 8)
    header += " " * (63 - (10 + len(header)) % 64) + "\n"
    draw = random.Random(1)
    with open(path, "wb") as out:
        out.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode())
        for begin in range(0, n, 100000):
            out.write(draw.randbytes(BITS // 8 * min(100000, n - begin)))


def prepare(a):
    """The model (a step of training: what it sees does not matter here), the picture, the index; each once."""
    out = pathlib.Path(a.out)
    out.mkdir(parents=True, exist_ok=True)
    a.model, a.picture, a.index = out / "run" / "best.safetensors", out / "picture.jpg", out / ("%s-%d.index" % (a.kind, a.codes))
    if not a.picture.exists():
        from PIL import Image
        small = Image.frombytes("RGB", (40, 30), random.Random(2).randbytes(3600))
        small.resize((640, 480), Image.BICUBIC).save(a.picture, quality=90)
    if not a.model.exists():
        photos = out / "photos"
        for i in range(8):
            folder = photos / str(i % 2)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / ("%d.jpg" % i)).write_bytes(a.picture.read_bytes())
        run(a.signet, "train", "-q", "--arch", "resnet18", "--loss", "csq", "--bits", BITS, "--data", "folder:%s" % photos,
            "--query", 0, "--val", 0, "--epochs", 1, "--batch", 8, "-o", out / "run")
    if not a.index.exists():
        write_codes(out / "codes.npy", a.codes)
        run(a.signet, "index", "create", a.index, "--model", a.model, "--kind", a.kind, "-q")
        run(a.signet, "index", "import", a.index, out / "codes.npy", "-q")
        (out / "codes.npy").unlink()


def milliseconds(ask, n):
    times = []
    for _ in range(n):
        start = time.perf_counter()
        ask()
        times.append(1000 * (time.perf_counter() - start))
    return times


def tell(what, times):
    print("%-42s %7.1f ms  (%.1f to %.1f)" % (what, statistics.median(times), min(times), max(times)), flush=True)


def cold(a):
    query = (a.signet, "query", a.index, a.picture, "-q")
    encode = (a.signet, "encode", "--model", a.model, a.picture, "-q")
    queries, encodes = [], []
    run(*query), run(*encode)  # into the page cache
    for _ in range(a.starts):  # in turn
        queries += milliseconds(lambda: run(*query), 1)
        encodes += milliseconds(lambda: run(*encode), 1)
    tell("cold start to the answer", queries)
    tell("cold start to the code alone (encode)", encodes)
    print("%-42s %7.2f" % ("ratio", statistics.median(q / e for q, e in zip(queries, encodes))), flush=True)


def served(a):
    path = os.path.join(a.out, "socket")
    server = subprocess.Popen([a.signet, "query", str(a.index), "--serve", path, "-q"])
    try:
        client = socket.socket(socket.AF_UNIX)
        for _ in range(600):
            if client.connect_ex(path) == 0:
                break
            time.sleep(0.05)
        answers = client.makefile("r")

        def ask(**request):
            client.sendall((json.dumps(request) + "\n").encode())
            answer = json.loads(answers.readline())
            assert "results" in answer, answer

        picture = str(a.picture.resolve())
        ask(image=picture)
        tell("a server's answer to a picture", milliseconds(lambda: ask(image=picture), 4 * a.starts))
        draw = random.Random(3)
        tell("a server's answer to a code", milliseconds(lambda: ask(code=draw.randbytes(BITS // 8).hex()), 4 * a.starts))
        tell("the same, k = 100", milliseconds(lambda: ask(code=draw.randbytes(BITS // 8).hex(), k=100), 4 * a.starts))
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait()


def main():
    a = arguments()
    prepare(a)
    print("%s, %d codes of %d bits" % (a.kind, a.codes, BITS))
    cold(a)
    served(a)


main()
