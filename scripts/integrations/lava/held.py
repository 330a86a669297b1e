"""What LAVA's dispatcher makes of the definition beside this: held.py PARAMETER=VALUE... with lava_common and
lava_dispatcher on PYTHONPATH. The schema is LAVA's, so are the commands that a test calls and what reads their signals."""

import logging
import os
import re
import subprocess
import sys
import tempfile

import yaml
from lava_common.schemas import validate
from lava_common.schemas.test.testdef import testdef
from lava_dispatcher import lava_test_shell
from lava_dispatcher.actions.test import shell
from voluptuous import Schema

here = os.path.dirname(os.path.abspath(__file__))


class Logger(logging.Logger):
    def results(self, data):
        print(f"{data.get('set', '-')}/{data['case']} {data['result']}")

    def marker(self, data):
        pass


class Connection:
    match = None


with open(f"{here}/job.yaml") as file:
    validate(yaml.safe_load(file), strict=True)
print("job.yaml: accepted")
with open(f"{here}/pawslab.yaml") as file:
    definition = yaml.safe_load(file)
Schema({**testdef()})(definition)
print("pawslab.yaml: accepted")

action = shell.TestShellAction()
action.logger = Logger("lava")
action._reset_patterns()
action.definition = definition["metadata"]["name"]
action.pattern = shell.PatternFixup(definition, 0)
action.signal_director = action.SignalDirector()
action.signal_director.test_uuid = "1"

with tempfile.TemporaryDirectory() as folder:
    # As in a job: the commands begin with the device's shell, parameters are variables of it.
    commands = list(lava_test_shell.__path__)[0]
    os.mkdir(f"{folder}/bin")
    for name in os.listdir(commands):
        if os.path.isfile(f"{commands}/{name}"):
            with open(f"{commands}/{name}") as source, open(f"{folder}/bin/{name}", "w") as target:
                target.write("#!/bin/sh\n" + source.read())
            os.chmod(f"{folder}/bin/{name}", 0o755)
    values = {**definition["params"], **dict(word.split("=", 1) for word in sys.argv[1:])}
    told = subprocess.run(
        ["sh", "-c", "set -e\n" + "\n".join(definition["run"]["steps"])],
        cwd=folder,
        env={**os.environ, **values, "PATH": f"{folder}/bin:{os.environ['PATH']}", "LAVA_RESULT_DIR": folder},
        capture_output=True,
        text=True,
    )
connection = Connection()
for connection.match in re.finditer(action.patterns["signal"], told.stdout):
    action.check_patterns("signal", connection, "#")
if told.returncode:
    sys.exit(f"its steps ended with {told.returncode}: {told.stderr}")
