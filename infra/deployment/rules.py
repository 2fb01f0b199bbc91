"""The rules of template.yaml about parameters that need each other. CloudFormation judges them only when everything is
built and uploaded.

They are read with Python's own means, since going back to a deployment needs nothing else either; a test sees to it
that none is overlooked.
"""

import re

from told import ROOT

RULE = re.compile(r"^  \w+:\n    RuleCondition: (.+)\n    Assertions:\n((?:      .+\n)+)", re.M)
ASSERTION = re.compile(r"- Assert: (.+)\n +AssertDescription: (?:>-\n)?((?:.+\n)+?)(?= +- |\Z)")
COMPARISON = re.compile(r'(!Not \[)?!Equals \[!Ref (\w+), "?([^"\]]*)"?\]\]?')


def broken(value_of):
    """What the template says about parameters that do not go together. `value_of` knows a parameter's value."""
    for condition, assertions in RULE.findall(section()):
        if holds(condition, value_of):
            for assertion, description in ASSERTION.findall(assertions):
                if not holds(assertion, value_of):
                    yield " ".join(description.split())


def section():
    return re.search(r"^Rules:\n((?:  .*\n)+)", (ROOT / "template.yaml").read_text(), re.M)[1]


def holds(comparison, value_of):
    negation, parameter, value = COMPARISON.fullmatch(comparison.strip()).groups()
    return (value_of(parameter) == value) != bool(negation)
