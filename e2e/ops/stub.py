"""Stands for the programs that infra/deploy calls: a folder of them, with an account that is a file.

Each is this file under another name. It appends how it was called to `calls`, and answers what `answers` has for the
longest beginning of its words. `aws` also keeps objects and one stack, as far as going back to a deployment needs.
"""

import json
import os
import sys
from pathlib import Path

PROGRAMS = ["aws", "cargo", "git", "rustc", "sam", "zig"]


def create(folder, answers):
    """Makes the folder that is to be PATH, with programs that answer so."""
    for name in PROGRAMS:
        (folder / name).write_text(f"#!{folder}/python3 -IS\n{Path(__file__).read_text()}")
        (folder / name).chmod(0o755)
    (folder / "python3").symlink_to(os.path.realpath(sys.executable))
    (folder / "answers").write_text(json.dumps(answers))


def calls(folder):
    """How the programs were called, in order, as lists of words."""
    path = folder / "calls"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


class Account:
    """Objects and one stack, kept in a file."""

    def __init__(self, folder):
        self.path = folder / "account"
        self.state = json.loads(self.path.read_text()) if self.path.exists() else {"objects": {}}

    def answer(self, words):
        """What AWS answers to a call; None where this knows nothing of it."""
        objects = self.state["objects"]
        match words:
            case ["s3", "cp", "-", target, *_]:
                objects[key_of(target)] = sys.stdin.read()
                answer = ""
            case ["s3", "cp", source, "-", *_]:
                answer = objects[key_of(source)]
            case ["s3", "mv", source, target, *_]:
                objects[key_of(target)] = objects.pop(key_of(source))
                answer = ""
            case ["s3api", "list-objects-v2", *options]:
                prefix = options[options.index("--prefix") + 1]
                answer = json.dumps({"Contents": [{"Key": key} for key in objects if key.startswith(prefix)]})
            case ["cloudformation", "get-template", *_] if "stack" in self.state:
                answer = json.dumps({"TemplateBody": self.state["stack"]["template"]})
            case ["cloudformation", "describe-stacks", *_] if "stack" in self.state:
                answer = json.dumps({"Stacks": [self.described()]})
            case ["cloudformation", "update-termination-protection", *options]:
                self.state["stack"]["protected"] = "--enable-termination-protection" in options
                answer = ""
            case ["cloudformation", "deploy", *options]:
                self.deploy(options)
                answer = ""
            case _:
                return None
        self.path.write_text(json.dumps(self.state))
        return answer

    def described(self):
        stack = self.state["stack"]
        parameters = [{"ParameterKey": key, "ParameterValue": value} for key, value in stack["parameters"].items()]
        tags = [{"Key": key, "Value": value} for key, value in stack["tags"].items()]
        is_protected = stack.get("protected", False)
        return {"StackStatus": "UPDATE_COMPLETE", "Parameters": parameters, "Tags": tags, "EnableTerminationProtection": is_protected}

    def appear(self):
        """The stack that `sam deploy` leaves, unless there is one."""
        self.state.setdefault("stack", {"template": "CodeUri: s3://artifacts/code\n", "parameters": {}, "tags": {}})
        self.path.write_text(json.dumps(self.state))

    def deploy(self, options):
        overrides = options[options.index("--parameter-overrides") + 1].removeprefix("file://")
        tags = options[options.index("--tags") + 1] if "--tags" in options else ""
        self.state["stack"] = {
            "template": Path(options[options.index("--template-file") + 1]).read_text(),
            "parameters": dict(pair.split("=", 1) for pair in json.loads(Path(overrides).read_text())),
            "tags": dict([tags.split("=", 1)]) if tags else {},
        }


def key_of(address):
    return address.removeprefix("s3://").split("/", 1)[1]


def main():
    folder, name, words = Path(sys.argv[0]).parent, Path(sys.argv[0]).name, sys.argv[1:]
    with open(folder / "calls", "a") as log:
        log.write(json.dumps([name, *words]) + "\n")
    if [name, *words[:1]] == ["sam", "deploy"]:
        Account(folder).appear()
    answers = json.loads((folder / "answers").read_text())
    given = [key for key in answers if " ".join([name, *words]).startswith(key)]
    answer = answers[max(given, key=len)] if given else Account(folder).answer(words) if name == "aws" else ""
    if answer is None or isinstance(answer, dict) and "refuses" in answer:
        print((answer or {}).get("refuses", "Stack with id x does not exist"), file=sys.stderr)
        raise SystemExit(254)
    print(answer if isinstance(answer, str) else json.dumps(answer))


if __name__ == "__main__":
    main()
