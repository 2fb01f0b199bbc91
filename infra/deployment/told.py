"""What samconfig.toml, the command line and template.yaml say about a deployment."""

import re
import shlex
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OVERRIDES = "--parameter-overrides"


class Refused(Exception):
    """Something to be mended before a deployment; its text is for the operator."""


class Told:
    """An environment of samconfig.toml, with the options of `sam deploy` from the command line."""

    def __init__(self, environment, options):
        sections = tomllib.loads((ROOT / "samconfig.toml").read_text()).get(environment, {})
        if "deploy" not in sections:
            raise Refused(f"samconfig.toml has no environment {environment}")
        self.environment = environment
        self.options = options
        self.written = {**sections.get("global", {}).get("parameters", {}), **sections["deploy"].get("parameters", {})}
        self.stack = self.option("--stack-name")
        # As in the SAM CLI, overrides on the command line replace those of the file.
        self.parameters = named(self.overrides())

    def option(self, name):
        """The value of an option, from the command line or the file; None where neither has it."""
        for number, option in enumerate(self.options):
            if option == name and number + 1 < len(self.options):
                return self.options[number + 1]
            if option.startswith(f"{name}="):
                return option.partition("=")[2]
        return self.written.get(name.removeprefix("--").replace("-", "_"))

    def overrides(self):
        if OVERRIDES in self.options:
            following = self.options[self.options.index(OVERRIDES) + 1 :]
            end = next((number for number, option in enumerate(following) if option.startswith("-")), len(following))
            return following[:end]
        overrides = self.option(OVERRIDES) or []
        return [overrides] if isinstance(overrides, str) else overrides

    def effective(self, parameter, deployed):
        """A parameter's value after the deployment: told, or kept from the stack's, or the template's default."""
        given = [of[parameter] for of in (self.parameters, deployed) if parameter in of]
        return given[0] if given else default_of(parameter)


def named(overrides):
    """Parameters by name, from either form that the SAM CLI reads."""
    found = {}
    for override in overrides:
        try:
            words = shlex.split(override)
        except ValueError:
            raise Refused(f"a parameter has a quote that does not end: {override}") from None
        for word in words:
            name, _, value = word.partition("=")
            if name == "ParameterKey":
                name, _, value = value.partition(",ParameterValue=")
            found[name] = value
    return found


def default_of(parameter):
    """A parameter's default in template.yaml."""
    declared = re.search(rf"^  {parameter}:\n((?:    .*\n)+)", (ROOT / "template.yaml").read_text(), re.M)[1]
    return re.search(r"^    Default: (.*)$", declared, re.M)[1].strip('"')
