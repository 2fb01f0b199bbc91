"""Tests that the documents are wrapped, to be readable in an editor, and that their numbers are those of the
programs that print them.
"""

import re
import subprocess
import sys
import tomllib
import unittest

from cloudformation import ROOT

WIDTH = 100


def prose(path):
    """The numbered lines that can be wrapped: neither tables nor code."""
    is_code = False
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.lstrip().startswith("```"):
            is_code = not is_code
        elif not is_code and not line.startswith("|"):
            yield number, line


class Documents(unittest.TestCase):
    def test_prose_is_wrapped(self):
        for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]:
            for number, line in prose(path):
                # A line without a space cannot be wrapped.
                is_narrow = len(line) <= WIDTH or " " not in line.strip()
                self.assertTrue(is_narrow, f"{path.name}:{number} has {len(line)} characters")

    def test_they_ask_for_the_rust_that_the_workspace_needs(self):
        wanted = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["rust-version"]
        for path in ["README.md", "docs/operations.md"]:
            self.assertEqual(set(re.findall(r"\b1\.\d\d\.\d\b", (ROOT / path).read_text())), {wanted}, path)

    def test_an_operators_tools_are_pinned(self):
        lines = (ROOT / "infra/requirements-operator.txt").read_text().splitlines()
        pinned = dict(line.split("==") for line in lines if not line.startswith("#"))
        self.assertEqual(pinned.keys(), {"aws-sam-cli", "boto3", "cargo-lambda", "ziglang"})

    def test_the_table_of_renewals_is_what_the_simulation_prints(self):
        printed = subprocess.run([sys.executable, ROOT / "bench/renewals.py"], capture_output=True, text=True, check=True)
        self.assertIn(printed.stdout, (ROOT / "docs/operations.md").read_text())


if __name__ == "__main__":
    unittest.main()
