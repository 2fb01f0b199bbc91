"""Sweeps tables of some sizes with the release binary, and prints time, memory and counted calls:

    cargo build -p local --bin load
    PATH=$PWD/target/venv/bin:$PATH python bench/sweep.py 10000 1000000

Needs the release build (`.ci/run release`), whose Python environment has what this needs. The store and VK are
a stub of `local/src/bin/load.rs` in a process of its own.
"""

import re
import sys
import tempfile
import time
from pathlib import Path

import requests

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e/lambda"))
from account import environment
from services import BUILT, TARGET, free_port, process, wait_for_port


def sweep(rows):
    logs = Path(tempfile.mkdtemp(prefix="sweep-"))
    with process([TARGET / "debug/load", "--rows", str(rows)], logs / "load.log"):
        load = address(logs / "load.log")
        port = free_port()
        api = f"http://127.0.0.1:{port}"
        bounds = {"SWEEP_CONCURRENCY": "64", "SWEEP_MAX_RPS": "1000000"}
        variables = {**environment(api, load, load, load), **bounds}
        watch = ["cargo", "lambda", "watch", "--only-lambda-apis", "-A", "127.0.0.1", "-P", str(port)]
        with process(watch, logs / "watch.log", env=variables) as child:
            wait_for_port(port, child, logs / "watch.log")
            given = {
                **variables,
                "AWS_LAMBDA_RUNTIME_API": f"{api}/.rt/health-check",
                "AWS_LAMBDA_FUNCTION_NAME": "health-check",
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
                "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            }
            with process([BUILT / "health-check/bootstrap"], logs / "sweep.log", env=given) as function:
                return measure(rows, api, load, function.pid)


def measure(rows, api, load, pid):
    started, invocations, summary = time.monotonic(), 0, {}
    while not summary.get("finished"):
        answer = requests.post(f"{api}/2015-03-31/functions/health-check/invocations", json={}, timeout=3600)
        answer.raise_for_status()
        summary, invocations = answer.json(), invocations + 1
    counts = requests.get(f"{load}/counts", timeout=10).json()
    return {
        "rows": rows, "alive": summary["alive"], "invocations": invocations,
        "seconds": round(time.monotonic() - started, 1), "cpu_seconds": cpu(pid), "peak_mb": peak(pid), **counts,
    }


def address(log):
    for _ in range(300):
        if found := re.search(r"^load (\S+)$", log.read_text() if log.exists() else "", re.M):
            return found[1]
        time.sleep(0.1)
    raise SystemExit("the stub does not start")


def peak(pid):
    """The peak resident set size, in megabytes."""
    return round(int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) / 1024, 1)


def cpu(pid):
    """User and system time, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return round((int(fields[11]) + int(fields[12])) / 100, 1)


if __name__ == "__main__":
    for size in sys.argv[1:]:
        print(sweep(int(size)), flush=True)
