#!/usr/bin/python3
"""signet's engine beside PyTorch at its best, on the same cores, in turn, in one run.

    bench/compare.py --json OUT.json                      ResNet-18 at 224 px: 8 minutes of an idle machine with two cores
    bench/compare.py --nets all --json OUT.json           AlexNet, VGG-16 and ResNet-18 at 96 px too: 20 minutes
    bench/compare.py --isa avx2 --json OUT.json           both held to AVX2 kernels, as a processor without AVX-512 runs them
    bench/compare.py --markdown OUT.json                  the tables of an earlier run, for docs/performance.md

PyTorch's best is the fastest of: f32 or bf16 autocast; channels last or not; as it is, and to encode also with batch-norm folded
(torch.fx) and frozen as TorchScript with optimize_for_inference. A network under attack with batch-norm folded, which a user has to
do by hand, is a row of its own. Each is tried alone first, then the two fastest of either precision and signet run in turn; figures
are medians over the rounds, ratios are medians of each round's ratio.

What is timed, of a batch: encode, from floats to outputs. train, gradients to None, forward, a loss on 32 outputs, backward, a
step of SGD with momentum (train-adam: of Adam). attack, an iteration of HAG on a frozen network in evaluation: normalise, forward,
objective, gradient of the pixels, the move within the budget. signet's networks normalise in all three, PyTorch's in attack only.

The machine must be idle otherwise: OpenMP's threads spin at barriers, and lose a turn for each that is disturbed."""
import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import time

NETS = {  # rounds, and images a step: as the targets say, less for the large network
    "resnet18:224": (9, {"encode": 64, "attack": 32, "train": 32}),
    "resnet18:96": (9, {"encode": 64, "attack": 32, "train": 32}),
    "alexnet:224": (9, {"encode": 64, "attack": 32, "train": 32}),
    "vgg16:224": (3, {"encode": 16, "attack": 8, "train": 8}),
}
TARGET_NET = "resnet18:224"
TARGETS = {  # least ratio to PyTorch, (f32, bf16) with AVX-512 and (f32) without; most times the bare convolutions
    "encode": {"avx512": {"f32": 1.05, "bf16": 1.10}, "avx2": {"f32": 1.05}, "bare": 1.10},
    "attack": {"avx512": {"f32": 1.20, "bf16": 1.30}, "avx2": {"f32": 1.20}, "bare": 1.15},
    "train": {"avx512": {"f32": 2.00, "bf16": 1.10}, "avx2": {"f32": 1.10}, "bare": 1.25},
}
PURPOSES = ["encode", "attack", "train", "train-adam"]
OUTPUTS = 32
REST = 0.05  # seconds between turns: the other side's threads go to sleep


def arguments():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--build", default="build/release", help="where signet is built")
    p.add_argument("--nets", default=TARGET_NET, help="NET:SIDE,... of " + " ".join(NETS) + ", or all")
    p.add_argument("--purposes", default="encode,attack,train", help="of " + " ".join(PURPOSES))
    p.add_argument("--precisions", default="f32,bf16")
    p.add_argument("--rounds", type=int, help="turns of each (default: 9; VGG-16 3)")
    p.add_argument("--batch-divisor", type=int, default=1, help="smaller batches, to try the script out")
    p.add_argument("--isa", choices=["avx2"], help="hold both sides to these instructions")
    p.add_argument("--json", help="file to write")
    p.add_argument("--markdown", help="print the tables of this JSON file, and do nothing else")
    return p.parse_args()


# signet


class Signet:
    """bench_engine, which does one round for each line it is sent."""

    def __init__(self, build, net, side, purpose, precision, batch, extra=()):
        command = [os.path.join(build, "bench/bench_engine"), "--turns", "--purpose", purpose.split("-")[0], *extra]
        command += ["--precision", precision, "--batch", str(batch)]
        command += ["--optimizer", "adam" if purpose == "train-adam" else "sgd", net, str(side)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.ready = self.process.stdout.readline().strip() == "ready"

    def turn(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        self.last = json.loads(self.process.stdout.readline())
        return self.last["step"]["last_ms"]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


# PyTorch


def torch_model(net, purpose, channels_last, form):
    import torch
    import torchvision
    from torch.fx.experimental import optimization

    torch.manual_seed(1)
    model = getattr(torchvision.models, net)(num_classes=OUTPUTS)
    model.train(purpose.startswith("train"))
    if not purpose.startswith("train"):
        for parameter in model.parameters():
            parameter.requires_grad_(False)
    if channels_last:
        model = model.to(memory_format=torch.channels_last)
    return model if form == "as is" else optimization.fuse(model)


def encode_step(model, x, autocast, form):
    import torch

    if form == "frozen":
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=autocast, cache_enabled=False):
            model = torch.jit.trace(model, x, check_trace=False)
        model = torch.jit.optimize_for_inference(torch.jit.freeze(model))
        autocast = False  # it is in the trace

    def step():
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            model(x)

    return step


def attack_step(model, x, autocast):
    import torch

    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    eps, eta, alpha, margin = 8 / 255, 1 / 255, 0.1, 0.5

    def outputs(pixels):
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            return model((pixels - mean) / std).float()

    with torch.no_grad():
        clean = torch.tanh(outputs(x))
    state = {"pixels": x.clone()}

    def step():
        pixels = state["pixels"].detach().requires_grad_(True)
        soft = torch.tanh(alpha * outputs(pixels))
        on = (soft * clean.sign() >= -margin).float()
        product = (on * soft * clean).sum(1) / on.sum(1).clamp(min=1)
        loss = ((product + 1) ** 2 + (on * soft).mean(1) ** 2).sum()
        (gradient,) = torch.autograd.grad(loss, pixels)
        with torch.no_grad():
            moved = pixels - eta * gradient.sign()
            state["pixels"] = torch.minimum(torch.maximum(moved, x - eps), x + eps).clamp(0, 1)

    return step


def train_step(model, x, autocast, adam):
    import torch

    parameters = list(model.parameters())
    optimizer = torch.optim.Adam(parameters, 1e-4) if adam else torch.optim.SGD(parameters, 1e-4, momentum=0.9)
    target = torch.randint(0, 2, (x.shape[0], OUTPUTS)).float()

    def step():
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            z = model(x).float()
        torch.nn.functional.binary_cross_entropy_with_logits(z, target).backward()
        optimizer.step()

    return step


def name_of(arguments):
    precision, channels_last, form = arguments[4:]
    return f"{precision}, channels {'last' if channels_last else 'first'}, {form}"


class Torch:
    """One way of running a network."""

    def __init__(self, net, side, purpose, batch, precision, channels_last, form):
        import torch

        self.arguments = (net, side, purpose, batch, precision, channels_last, form)
        self.name = name_of(self.arguments)
        self.precision = precision
        self.batch = batch
        autocast = precision == "bf16"
        model = torch_model(net, purpose, channels_last, form)
        x = torch.rand(batch, 3, side, side)
        if channels_last:
            x = x.contiguous(memory_format=torch.channels_last)
        if purpose == "encode":
            self.step = encode_step(model, x, autocast, form)
        elif purpose == "attack":
            self.step = attack_step(model, x, autocast)
        else:
            self.step = train_step(model, x, autocast, purpose == "train-adam")
        for _ in range(3 if form == "frozen" else 1):  # TorchScript is compiled in its first calls
            self.step()

    def turn(self):
        start = time.monotonic()
        self.step()
        return 1e3 * (time.monotonic() - start) / self.batch

    def close(self):
        self.step = None


def torch_candidates(net, side, purpose, batch, precisions):
    """The two fastest ways of each precision and, of attack, of each form, each tried alone."""
    forms = {"encode": ["as is", "folded", "frozen"], "attack": ["as is", "folded"]}.get(purpose, ["as is"])
    apart = [{f} for f in forms] if purpose == "attack" else [set(forms)]
    tried = {}
    for precision in precisions:
        for channels_last in (False, True):
            for form in forms:
                try:
                    way = Torch(net, side, purpose, batch, precision, channels_last, form)
                except RuntimeError as error:
                    print(f"  PyTorch cannot: {precision}, {form}: {str(error).splitlines()[0]}", file=sys.stderr)
                    continue
                ms = min(way.turn() for _ in range(2))
                print(f"  {ms:9.2f} ms  PyTorch, alone: {way.name}", file=sys.stderr)
                tried[way.arguments] = ms
                way.close()
                del way
    best = [sorted((k for k in tried if k[4] == p and k[6] in f), key=tried.get)[:2] for p in precisions for f in apart]
    return [Torch(*k) for two in best for k in two], {name_of(k): ms for k, ms in tried.items()}


# the run


def compare(options, name, purpose, precisions):
    net, side = name.split(":")
    side = int(side)
    rounds, batches = NETS[name]
    rounds = options.rounds or rounds
    batch = max(1, batches[purpose.split("-")[0]] // options.batch_divisor)
    print(f"{name} {purpose}, batch {batch}", file=sys.stderr)
    ours = [Signet(options.build, net, side, purpose, p, batch) for p in precisions]
    ours = [s for s, p in zip(ours, precisions) if s.ready]
    theirs, alone = torch_candidates(net, side, purpose, batch, precisions)
    everyone = ours + theirs
    times = [[] for _ in everyone]
    for r in range(rounds):
        for k in range(len(everyone)):
            who = (k + r) % len(everyone)
            time.sleep(REST)
            times[who].append(everyone[who].turn())
    result = {"net": net, "side": side, "purpose": purpose, "batch": batch, "rounds": rounds, "alone": alone}
    result["signet"] = {s.last["precision"]: s.last for s in ours}
    result["torch"] = {t.name: statistics.median(times[len(ours) + i]) for i, t in enumerate(theirs)}
    def against(own, forms):
        """The ratio to the fastest of these forms."""
        rivals = [j for j, t in enumerate(theirs)
                  if t.arguments[6] in forms and (ours[own].last["precision"] != "f32" or t.precision == "f32")]
        best = min(rivals, key=lambda j: statistics.median(times[len(ours) + j]))
        ratios = [a / b for a, b in zip(times[len(ours) + best], times[own])]
        return {"against": theirs[best].name, "median": statistics.median(ratios), "least": min(ratios), "most": max(ratios)}

    own = {s.last["precision"]: i for i, s in enumerate(ours)}
    usual = ["as is"] if purpose == "attack" else ["as is", "folded", "frozen"]
    result["ratio"] = {precision: against(i, usual) for precision, i in own.items()}
    if purpose == "attack":
        result["folded"] = {precision: against(i, ["folded"]) for precision, i in own.items()}
    for e in everyone:
        e.close()
    return result


def kernel_of_torch():
    """The convolution kernel that PyTorch's oneDNN chooses: says which instructions it obeys."""
    script = "import torch; torch.nn.Conv2d(32, 32, 3)(torch.rand(2, 32, 16, 16))"
    env = dict(os.environ, DNNL_VERBOSE="1", ONEDNN_VERBOSE="1")
    text = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True).stdout
    kernels = [line.split(",")[4] for line in text.splitlines() if ",convolution," in line]
    return kernels[0] if kernels else "unknown"


def blas_of_process():
    with open("/proc/self/maps") as maps:
        files = {line.split()[-1] for line in maps if "blas" in line.split()[-1]}
    return sorted(os.path.realpath(f) for f in files)


def machine(options):
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    blas = blas_of_process()
    if not any("openblas" in f for f in blas):
        print("PyTorch's BLAS is not OpenBLAS: update-alternatives --config libblas.so.3-x86_64-linux-gnu", file=sys.stderr)
    signet = subprocess.run([os.path.join(options.build, "cli/signet"), "--version"], capture_output=True, text=True).stdout
    with open("/proc/cpuinfo") as cpus:
        model = next((line.split(":")[1].strip() for line in cpus if line.startswith("model name")), "")
    found = {"signet": signet.splitlines(), "model": model, "cores": torch.get_num_threads(), "torch": torch.__version__,
             "torch_kernel": kernel_of_torch(), "blas": blas, "isa": options.isa or "as found",
             "linux": platform.release() + " " + platform.version(), "date": str(datetime.date.today()),
             "load": os.getloadavg()[0]}
    bf16 = options.isa is None and "avx512_bf16" in signet
    if options.isa and "avx512" in found["torch_kernel"]:
        sys.exit(f"PyTorch does not obey ONEDNN_MAX_CPU_ISA: {found['torch_kernel']}")
    return found, [p for p in options.precisions.split(",") if p == "f32" or bf16]


# tables


def tier(found):
    return "avx2" if found["isa"] == "avx2" or not any("avx512" in line for line in found["signet"]) else "avx512"


def verdict(result, found, precision):
    if f"{result['net']}:{result['side']}" != TARGET_NET or result["purpose"] not in TARGETS:
        return ""
    target = TARGETS[result["purpose"]][tier(found)].get(precision)
    if target is None:
        return ""
    met = result["ratio"][precision]["median"] >= target
    return f" (target {target:.2f}: {'met' if met else 'not met'})"


def bare(result, precision):
    ratio = 1 / result["signet"][precision]["bare"]["to_step"]
    if f"{result['net']}:{result['side']}" != TARGET_NET or result["purpose"] not in TARGETS:
        return f"{ratio:.2f}"
    limit = TARGETS[result["purpose"]]["bare"]
    return f"{ratio:.2f} (at most {limit:.2f}: {'met' if ratio <= limit else 'not met'})"


def rows(data):
    """Header and rows of the table; a row a network, purpose and precision."""
    yield ["network", "work", "batch", "precision", "signet ms/image", "PyTorch's best ms/image", "ratio", "to bare convolutions"]
    for r in data["results"]:
        for precision, ours in r["signet"].items():
            best = r["ratio"][precision]
            yield [f"{r['net']} {r['side']}", r["purpose"], str(r["batch"]), precision, f"{ours['step']['ms']:.2f}",
                   f"{r['torch'][best['against']]:.2f} ({best['against']})",
                   f"{best['median']:.2f}{verdict(r, data['machine'], precision)}", bare(r, precision)]
        for precision, best in r.get("folded", {}).items():
            yield [f"{r['net']} {r['side']}", r["purpose"] + ", PyTorch's batch-norm folded", str(r["batch"]), precision, "",
                   f"{r['torch'][best['against']]:.2f} ({best['against']})", f"{best['median']:.2f}", ""]


def print_markdown(data):
    m = data["machine"]
    print(f"{m['model']}, {m['cores']} cores; kernels: {m['isa']}; {'; '.join(m['signet'])}; PyTorch {m['torch']} "
          f"({m['torch_kernel']}); Linux {m['linux']}; {m['date']}.\n")
    for i, row in enumerate(rows(data)):
        print("| " + " | ".join(row) + " |")
        if i == 0:
            print("|" + "---|" * len(row))


def print_table(data):
    table = list(rows(data))
    widths = [max(len(row[c]) for row in table) for c in range(len(table[0]))]
    for row in table:
        print("  ".join(cell.ljust(w) for cell, w in zip(row, widths)).rstrip())


def main():
    options = arguments()
    if options.markdown:
        with open(options.markdown) as file:
            print_markdown(json.load(file))
        return
    if options.isa:  # before either side starts
        os.environ.update(ONEDNN_MAX_CPU_ISA="AVX2", DNNL_MAX_CPU_ISA="AVX2", ATEN_CPU_CAPABILITY="avx2")
    found, precisions = machine(options)
    names = list(NETS) if options.nets == "all" else options.nets.split(",")
    data = {"machine": found, "results": []}
    for name in names:
        for purpose in options.purposes.split(","):
            data["results"].append(compare(options, name, purpose, precisions))
            if options.json:  # what is done stays, whatever comes
                with open(options.json, "w") as file:
                    json.dump(data, file, indent=1)
    print_table(data)


if __name__ == "__main__":
    main()
