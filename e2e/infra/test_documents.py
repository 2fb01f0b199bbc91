"""Tests that the documents are wrapped, to be readable in an editor, and that their numbers are those of the
programs that print them.
"""

import subprocess
import sys
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

    def test_the_table_of_renewals_is_what_the_simulation_prints(self):
        printed = subprocess.run([sys.executable, ROOT / "bench/renewals.py"], capture_output=True, text=True, check=True)
        self.assertIn(printed.stdout, (ROOT / "docs/operations.md").read_text())


if __name__ == "__main__":
    unittest.main()
