"""Holds the release binaries to what they cost when that was last looked at, in counts that do not depend on how
busy a machine is:

    .ci/run release && .ci/run guards
    python bench/guards.py --write          records what they cost now

Counted are calls, connections and bytes at the stub, and instructions under `valgrind --tool=callgrind`, from the start
to the first answer and for one request more, as a ratio to the floor's of the same run. Ratios, and bytes, of which
times are a part, may grow by three per cent. The roots are a hundred of the stub's own, the same on every machine.
"""

import argparse
import json
import re
import sys
import tempfile
from pathlib import Path

from events import events
from measure import TARGET, counts, difference, drive, environment, row, stub

RECORD = Path(__file__).with_name("guards.json")
BENCH = TARGET / "debug/bench"
BUILT = TARGET / "lambda"
FLOOR = "floor"
GROWTH = 1.03
# The C library's functions come in several builds, of which it takes the best for the processor: the same everywhere.
PLAIN_PROCESSOR = {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX2,-AVX,-BMI2,-ERMS,-FSRM"}
# Requests that a warm one's cost is the mean of.
REQUESTS = 20


def asked(name, given, told):
    """What a start and a request ask for, over TLS."""
    sequence, is_right = given
    before = counts(told)
    ran = drive(BENCH, [BUILT / name / "bootstrap"], sequence, environment(told, True), 3, told)
    assert is_right(ran["answer"]), (name, ran["answer"])
    at_init, after_first, at_end = ran["counts"]
    return {
        "start": kept(difference(at_init, before)),
        "first request": kept(difference(after_first, at_init)),
        "two more": kept(difference(at_end, after_first)),
        # One of two that are opened at once at the start may be ready only later.
        "connections until the first answer": difference(after_first, before)["connections"],
    }


def kept(counted):
    return {"requests": counted["requests"], "bytes": counted["bytes_out"]}


def instructions(name, sequence, variables):
    """From the start to the first answer, and for a request after that."""
    first = collected(name, sequence, variables, 1)
    return first, (collected(name, sequence, variables, 1 + REQUESTS) - first) / REQUESTS


def collected(name, sequence, variables, invocations):
    with tempfile.NamedTemporaryFile("r", suffix=".log") as log:
        valgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", f"--log-file={log.name}"]
        drive(BENCH, [*valgrind, BUILT / name / "bootstrap"], sequence, {**variables, **PLAIN_PROCESSOR}, invocations)
        return int(re.search(r"Collected : (\d+)", log.read())[1])


def measure():
    found = {}
    with stub(BENCH) as told, tempfile.NamedTemporaryFile("w", suffix=".pem") as roots:
        roots.write(told.root * 100)
        roots.flush()
        given = events(row(told))
        variables = environment(told, False, SSL_CERT_FILE=roots.name)
        floor = instructions(FLOOR, given[FLOOR][0], variables)
        print(f"floor: {floor[0]:,} instructions to the first answer, {floor[1]:,.0f} for a request more")
        for name in sorted(given.keys() - {FLOOR}):
            first, more = instructions(name, given[name][0], variables)
            ratios = {"first answer": round(first / floor[0], 3), "a request more": round(more / floor[1], 3)}
            found[name] = {"instructions over the floor's": ratios, **asked(name, given[name], told)}
            print(f"{name}: {first:,} instructions, {more:,.0f}; {ratios}", flush=True)
    return found


def worse(name, found, recorded):
    """What a function costs more than recorded."""
    for what, ratio in found["instructions over the floor's"].items():
        before = recorded.get("instructions over the floor's", {}).get(what, 0)
        if ratio > before * GROWTH:
            yield f"{name}: instructions, {what}: {ratio}, recorded {before}"
    opened = "connections until the first answer"
    if found[opened] != recorded.get(opened):
        yield f"{name}: {opened}: {found[opened]}, recorded {recorded.get(opened)}"
    for moment in ("start", "first request", "two more"):
        before = recorded.get(moment, {"requests": None, "bytes": 0})
        if found[moment]["requests"] != before["requests"] or found[moment]["bytes"] > before["bytes"] * GROWTH:
            yield f"{name}: {moment}: {found[moment]}, recorded {before}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="record what is found")
    write = parser.parse_args().write
    found = measure()
    if write:
        RECORD.write_text(json.dumps(found, indent=2) + "\n")
    recorded = json.loads(RECORD.read_text())
    problems = [problem for name in found for problem in worse(name, found[name], recorded.get(name, {}))]
    print("\n".join(problems) or f"{len(found)} passed, 0 failed")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
