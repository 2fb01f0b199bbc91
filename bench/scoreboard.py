"""Measures the functions and the sweep against the floor, the peer and raw loops, and prints one table:

    bench/run                      builds the contenders and measures everything
    bench/run --rounds 5 --only S1,S2,S5
    bench/run --no-build

Every line is a ratio of numbers of one run on one machine. Contenders take turns, round by round; a ratio is that of
two neighbours in a round. Printed are its median, and from the 5th percentile to the 95th. Beside the table,
`target/scoreboard.json` has all of it. `docs/performance.md` says what the lines mean.
"""

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import threading
import time
import zipfile

from events import events
from measure import TARGET, counts, difference, drive, environment, row, run, stub

RELEASE = TARGET / "release"
BENCH = RELEASE / "bench"
FLOOR = "floor"
PEER = "peer"
FUNCTIONS = [
    "page", "dashboard", "connect", "disconnect", "callback", "login", "token", "health-check", "events", "revoke",
    "assets",
]
PEER_PYTHON = TARGET / "venv-peer/bin/python"
PEER_FOLDER = "bench/peer"
WARM = 100
# What page, dashboard and connect are compared with the peer by.
PAGES = ["page", "dashboard", "connect"]
# The store's round trips of a request.
TRIPS = {"page": 1, "dashboard": 1, "connect": 1, "disconnect": 1, "callback": 3}
# Above the floor, in milliseconds of processor time until the first answer.
ABOVE_FLOOR = {"page": 5, "dashboard": 5, "connect": 5, "callback": 8, "login": 8}


class Table:
    """The lines, as they are printed and as they are kept."""

    def __init__(self):
        self.lines = []

    def add(self, line, who, against, values, goal, at_most=True, unit="×", note=""):
        """A line of values, one for each round. `goal` is the bound of their median."""
        values = sorted(values)
        median, low, high = statistics.median(values), quantile(values, 0.05), quantile(values, 0.95)
        held = None if goal is None else (median <= goal if at_most else median >= goal)
        told = {"line": line, "who": who, "against": against, "median": median, "p5": low, "p95": high}
        self.lines.append({**told, "n": len(values), "unit": unit, "goal": goal, "at_most": at_most, "held": held, "note": note})
        sign = "" if goal is None else f"{'≤' if at_most else '≥'} {goal:g}"
        mark = {None: " ", True: "✓", False: "✗"}[held]
        spread = f"{number(low)} … {number(high)}" if len(values) > 1 else ""
        print(f"{line:<4}{who:<28}{against:<24}{number(median):>9} {unit:<3}{spread:>20}  {sign:<9}{mark} {note}", flush=True)


def quantile(values, part):
    return values[min(len(values) - 1, round(part * (len(values) - 1)))]


def number(value):
    return f"{value:,.0f}" if value >= 1_000 else f"{value:.3g}"


def ratios(ours, theirs):
    return [our / their for our, their in zip(ours, theirs, strict=True)]


def cold_starts(rounds, with_peer):
    """By contender: what each round's process cost, over TLS; and over plain HTTP."""
    seen = {}
    with stub(BENCH) as told:
        given = events(row(told))
        for number_of_round in range(rounds):
            for tls in (True, False):
                for name in [FLOOR, *FUNCTIONS]:
                    ran = one(name, given[name], told, tls)
                    seen.setdefault((name, tls), []).append(ran)
            if with_peer:
                for page in PAGES:
                    ran = one(page, given[page], told, True, peer=True)
                    seen.setdefault((f"{PEER} {page}", True), []).append(ran)
            progress(f"round {number_of_round + 1} of {rounds}")
    return seen


def one(name, given, told, tls, peer=False):
    sequence, is_right = given
    command = [RELEASE / name]
    more = {}
    if peer:
        command = [PEER_PYTHON, "-m", "awslambdaric", "app.handler"]
        more = {"PYTHONPATH": PEER_FOLDER, "LAMBDA_TASK_ROOT": PEER_FOLDER}
    before = counts(told)
    ran = drive(BENCH, command, sequence, environment(told, tls, **more), WARM, told)
    assert is_right(ran["answer"]), (name, ran["answer"])
    ran["to_first_us"] = ran["init_cpu_us"] + ran["cpu_us"][0]
    ran["warm_us"] = statistics.mean(ran["cpu_us"][1:])
    # A single one is noisier than what it is compared with.
    ran["hundredth_us"] = statistics.median(ran["wall_us"][-20:])
    at_init, after_first, at_end = ran.pop("counts")
    ran["at_init"] = difference(at_init, before)
    ran["first"] = difference(after_first, at_init)
    ran["rest"] = difference(at_end, after_first)
    return ran


def functions(table, rounds, only, with_peer):
    seen = cold_starts(rounds, with_peer)
    of = lambda name, key, tls=True: [ran[key] for ran in seen[name, tls]]
    floor = lambda key: of(FLOOR, key)
    for name in FUNCTIONS:
        if "S1" in only:
            opened = max(ran["at_init"]["connections"] for ran in seen[name, True])
            goal, note = 3, f"{opened} connections, {statistics.median(of(name, 'init_us')) / 1e3:.1f} ms"
            table.add("S1", name, "floor, wall", ratios(of(name, "init_us"), floor("init_us")), goal, note=note)
            table.add("S1", name, "floor, CPU", ratios(of(name, "init_cpu_us"), floor("init_cpu_us")), None)
    if "S1" in only and with_peer:
        for name in PAGES:
            table.add("S1", f"peer / {name}", "ours, wall", ratios(of(f"{PEER} {name}", "init_us"), of(name, "init_us")), 50, False)
    if "S2" in only:
        for name in FUNCTIONS:
            above = [(ours - least) / 1e3 for ours, least in zip(of(name, "to_first_us"), floor("to_first_us"))]
            plain = [(ours - least) / 1e3 for ours, least in zip(of(name, "to_first_us", False), of(FLOOR, "to_first_us", False))]
            note = f"plain HTTP {statistics.median(plain):.2f} ms"
            table.add("S2", name, "CPU over the floor's", above, ABOVE_FLOOR.get(name), unit="ms", note=note)
    if "S3" in only:
        for name in FUNCTIONS:
            first = [ran["wall_us"][0] for ran in seen[name, True]]
            table.add("S3", name, "its hundredth, wall", ratios(first, of(name, "hundredth_us")), 2)
            first = [ran["cpu_us"][0] for ran in seen[name, True]]
            table.add("S3", name, "its others, CPU", ratios(first, of(name, "warm_us")), None)
    if "S4" in only:
        for name in PAGES:
            spent = statistics.median(of(name, "warm_us"))
            table.add("S4", name, "floor, CPU", ratios(of(name, "warm_us"), floor("warm_us")), None, note=f"{spent:.0f} µs")
            if with_peer:
                peers = ratios(of(f"{PEER} {name}", "warm_us"), of(name, "warm_us"))
                table.add("S4", f"peer / {name}", "ours, CPU", peers, 30, False)
    if "S6" in only:
        for name in FUNCTIONS:
            peak = statistics.median(of(name, "peak_kb")) / 1024
            table.add("S6", name, "floor", ratios(of(name, "peak_kb"), floor("peak_kb")), 1.8, note=f"{peak:.1f} MB")
    if "S7" in only:
        for name, goal in TRIPS.items():
            trips = [sum(store_calls(ran["rest"]).values()) / (WARM - 1) for ran in seen[name, True]]
            table.add("S7", name, "one request", trips, goal, unit="")
    return {f"{name}, {'TLS' if tls else 'plain'}": runs for (name, tls), runs in seen.items()}


def store_calls(asked):
    """Calls to the tables, without what is asked of secrets and of hosts outside."""
    return {name: calls for name, calls in asked["requests"].items() if not name.startswith("/") and name != "GetSecretValue"}


def sizes(table):
    floor = (RELEASE / FLOOR).stat().st_size
    floor_zip = zipped(FLOOR)
    for name in FUNCTIONS:
        size = (RELEASE / name).stat().st_size
        note = f"{size / 1e6:.2f} MB; zip {zipped(name) / 1e6:.2f} MB, {zipped(name) / floor_zip:.2f} ×"
        table.add("S5", name, "floor", [size / floor], 3, note=note)


def zipped(name):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(RELEASE / name, "bootstrap")
    return len(packed.getvalue())


def sweep(told, concurrency=64, tls=False):
    """One whole run, and what it cost after the start."""
    bounds = {"SWEEP_CONCURRENCY": str(concurrency), "SWEEP_MAX_RPS": "1000000"}
    before = counts(told)
    ran = drive(BENCH, [RELEASE / "health-check"], [{}], environment(told, tls, **bounds), told=told, deadline=36_000)
    assert ran["answer"]["finished"], ran["answer"]
    asked = difference(counts(told), before)
    return {"answer": ran["answer"], "cpu_us": ran["cpu_us"][0], "wall_us": ran["wall_us"][0], "peak_kb": ran["peak_kb"], **asked}


def sweeps(table, rounds, with_peer):
    rows, few = 10_000, 100
    seen = {}
    with stub(BENCH, rows=rows) as told, stub(BENCH, rows=few) as small:
        for number_of_round in range(rounds):
            for name in ("sweep", "hyper", "reqwest", *(["peer", "peer, shared client"] if with_peer else [])):
                seen.setdefault(name, []).append(loop(name, told, small))
            progress(f"sweeps, round {number_of_round + 1} of {rounds}")
    a_check = lambda name, key: [ran[key] / ran["checks"] for ran in seen[name]]
    ours = a_check("sweep", "cpu_us")
    table.add("S8", "sweep", "a check, CPU", ours, 45, unit="µs")
    for name in ("hyper", "reqwest"):
        note = f"{statistics.median(a_check(name, 'cpu_us')):.1f} µs"
        table.add("S8", "sweep", f"raw {name}, CPU", ratios(ours, a_check(name, "cpu_us")), None, note=note)
    for name in ("peer", "peer, shared client") if with_peer else ():
        note = f"{statistics.median(a_check(name, 'cpu_us')):,.0f} µs"
        table.add("S8", f"{name} / sweep", "ours, CPU", ratios(a_check(name, "cpu_us"), ours), 300, False, note=note)
        table.add("S8", f"{name} / sweep", "ours, wall", ratios(a_check(name, "wall_us"), a_check("sweep", "wall_us")), None)
    full = rows / 25
    table.add("S11", "sweep", "25 rows written", [ran["requests"]["BatchExecuteStatement"] / full for ran in seen["sweep"]], 1.04, unit="")
    return seen


def loop(name, told, small):
    if name == "sweep":
        ran = sweep(told)
        return {**ran, "checks": ran["answer"]["alive"]}
    if name.startswith("peer"):
        command = [PEER_PYTHON, f"{PEER_FOLDER}/sweep.py", *(["--shared"] if "shared" in name else [])]
        return json.loads(run(command, environment(small, False)).stdout)
    return json.loads(run([BENCH, "loop", name, "--stub", told.plain], {}).stdout)


def little(table):
    """Against a VK that takes 100 ms, and a store that takes as long or none: once, since each takes a minute. How long
    VK took is the stub's own measure: timers are late by a millisecond."""
    seen = []
    for store in (0, 100):
        progress("a sweep against 100 ms")
        with stub(BENCH, rows=38_400, vk_latency=100, latency=store) as told:
            ran = sweep(told)
        calls = sum(number for path, number in ran["requests"].items() if path.startswith("/method/"))
        took = ran["vk_micros"] / calls
        rate = ran["answer"]["alive"] / ran["wall_us"] / (64 / took)
        table.add("S9", f"sweep, store {store} ms", "64 in flight ÷ VK's time", [rate], 0.97, False, unit="", note=f"VK took {took / 1e3:.1f} ms")
        seen.append(ran)
    return seen


def memory(table):
    peaks = []
    for rows in (10_000, 1_000_000):
        with stub(BENCH, rows=rows) as told:
            progress(f"a sweep of {rows:,} rows")
            ran = sweep(told)
            assert ran["answer"]["alive"] == rows, ran
            peaks.append(ran["peak_kb"])
    note = f"{peaks[0] / 1024:.1f} and {peaks[1] / 1024:.1f} MB"
    table.add("S10", "sweep, 1,000,000 rows", "10,000 rows", [peaks[1] / peaks[0]], 1.3, note=note)
    return peaks


def outage(told_to):
    """A sweep while VK is down. It waits more than it works, so others go on beside it."""
    with stub(BENCH, rows=1_000, vk_down=True) as told:
        told_to.update(sweep(told))


def report_outage(table, ran):
    calls = ran["requests"].get("/method/users.get", 0)
    note = f"{calls} calls, {ran['most_in_flight']} in flight at most, {ran['peak_kb'] / 1024:.1f} MB"
    table.add("S13", "sweep, VK down", "marked offline", [ran["marked_offline"]], 0, unit="", note=note)


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="\r", file=sys.stderr, flush=True)


def build():
    """The contenders, in the profile that ships, and the peer's environment."""
    apart = [part for name in ("local", "evosync-tokens", "bench", "panics") for part in ("--exclude", name)]
    subprocess.run(["cargo", "build", "--release", "--locked", "--workspace", *apart], check=True)
    subprocess.run(["cargo", "build", "--release", "--locked", "-p", "bench"], check=True)
    if not PEER_PYTHON.exists():
        subprocess.run([sys.executable, "-m", "venv", PEER_PYTHON.parents[1]], check=True)
    quiet = ["--quiet", "--disable-pip-version-check", "-r", f"{PEER_FOLDER}/requirements.txt"]
    subprocess.run([PEER_PYTHON, "-m", "pip", "install", *quiet], check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30, help="how often each contender is started")
    parser.add_argument("--only", default="", help="lines to measure, such as S1,S5; all unless given")
    parser.add_argument("--no-build", action="store_true", help="measure what is built")
    parser.add_argument("--no-peer", action="store_true", help="leave the Python peer out")
    arguments = parser.parse_args()
    everything = [f"S{line}" for line in (*range(1, 12), 13)]
    only = arguments.only.split(",") if arguments.only else everything
    with_peer, rounds = not arguments.no_peer, arguments.rounds
    if not arguments.no_build:
        build()
    table, raw, down = Table(), {}, {}
    load = os.getloadavg()
    outages = threading.Thread(target=outage, args=(down,))
    if "S13" in only:
        outages.start()
    if {"S1", "S2", "S3", "S4", "S6", "S7"} & set(only):
        raw["functions"] = functions(table, rounds, only, with_peer)
    if "S5" in only:
        sizes(table)
    if {"S8", "S11"} & set(only):
        raw["sweeps"] = sweeps(table, rounds, with_peer)
    if "S9" in only:
        raw["little"] = little(table)
    if "S10" in only:
        raw["memory"] = memory(table)
    if "S13" in only:
        outages.join()
        report_outage(table, down)
        raw["outage"] = down
    about = {"at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "load": [load, os.getloadavg()], "processors": os.cpu_count()}
    (TARGET / "scoreboard.json").write_text(json.dumps({**about, "lines": table.lines, "raw": raw}, indent=1))
    print(f"load {load[0]:.1f} before, {os.getloadavg()[0]:.1f} after; {os.cpu_count()} processors; {TARGET / 'scoreboard.json'}")


if __name__ == "__main__":
    main()
