"""Checks the binaries of `cargo lambda build --release`: their sizes, and that they gather no jitter entropy.

A binary may be one per cent larger than its size in sizes.json. If growth is intended,
`built.py --write` records the present sizes.
"""

import json
import subprocess
import sys
from pathlib import Path

from services import BUILT, TARGET

RECORD = Path(__file__).with_name("sizes.json")
NEVER_DEPLOYED = {"floor", "panics"}


def sizes():
    return {folder.name: (folder / "bootstrap").stat().st_size for folder in sorted(BUILT.iterdir())}


def too_large(built, recorded):
    """The functions with a binary larger than recorded, or without a record."""
    return [name for name, size in built.items() if size > recorded.get(name, 0) * 1.01]


def gathers_jitter():
    """Whether the cryptographic library was built with its jitter entropy source."""
    archives = list(TARGET.glob("*/release/build/aws-lc-sys-*/out/libaws_lc*crypto.a"))
    assert archives, "the cryptographic library is not found"
    newest = max(archives, key=lambda archive: archive.stat().st_mtime)
    symbols = subprocess.run(["nm", newest], check=False, capture_output=True, text=True).stdout
    assert " T " in symbols, newest
    return "jent_entropy_collector_alloc" in symbols


def main():
    built = {name: size for name, size in sizes().items() if name not in NEVER_DEPLOYED}
    if sys.argv[1:] == ["--write"]:
        RECORD.write_text(json.dumps(built, indent=2) + "\n")
    recorded = json.loads(RECORD.read_text())
    for name, size in built.items():
        print(f"{name:<14}{size:>12,}{size / recorded.get(name, size) - 1:>+8.2%}")
    assert not (names := too_large(built, recorded)), f"too large: {names}; see {RECORD.name}"
    assert not gathers_jitter(), "AWS_LC_SYS_NO_JITTER_ENTROPY was not set where aws-lc-sys was built"
    print(f"{len(built) + 1} passed, 0 failed")


if __name__ == "__main__":
    main()
