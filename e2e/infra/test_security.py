"""Tests that docs/security.md answers each of the sixty requirements, and names existing tests."""

import re
import unittest

from cloudformation import ROOT

SOURCES = ["src", "functions", "local", "e2e"]
# How a test begins in Rust and Python; a `check_` function of a script counts as one.
DECLARED = re.compile(
    r"#\[(?:tokio::)?test\]\s+(?:async )?fn (\w+)\(|^\s*def ((?:test|check)_\w+)\(", re.M
)


def answers():
    """The rows of the table: number, what is asked, how it is met, and the named tests."""
    text = (ROOT / "docs/security.md").read_text()
    for line in text.split("| ---: | --- | --- | --- |\n", 1)[1].splitlines():
        number, asked, met, tests = (cell.strip() for cell in line.strip("|").split("|"))
        yield int(number), asked, met, re.findall(r"`(\w+)`", tests)


def sources(suffix, folders=SOURCES):
    for folder in folders:
        for path in sorted((ROOT / folder).rglob(f"*{suffix}")):
            if "node_modules" not in path.parts:
                yield path


def tests():
    found = set()
    for path in [*sources(".rs"), *sources(".py")]:
        found.update(name for match in DECLARED.findall(path.read_text()) for name in match if name)
    return found


class Security(unittest.TestCase):
    def test_each_of_the_sixty_requirements_is_answered(self):
        self.assertEqual([number for number, *_ in answers()], list(range(1, 61)))
        for number, asked, met, named in answers():
            self.assertTrue(asked and met and named, f"number {number} is not answered")

    def test_each_named_test_exists(self):
        there = tests()
        self.assertGreater(len(there), 300)
        missing = {name for *_, named in answers() for name in named} - there
        self.assertEqual(missing, set())

    def test_functions_write_no_files(self):
        writes = re.compile(r"\b(?:fs::(?:write|create_dir|rename|copy)|File::(?:create|options)|OpenOptions)\b")
        for path in sources(".rs", ["src", "functions"]):
            self.assertIsNone(writes.search(path.read_text()), path)


if __name__ == "__main__":
    unittest.main()
