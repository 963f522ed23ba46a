"""Transformers 4.57.6 as a judge, beside the 5.x that the tests import.

The Makefile installs it into a folder of its own, and it runs in a process of its own. `ask` sends
Python source and a value; the source finds the value as `given` and leaves its answer in `answer`.
Both must be JSON.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(sys.prefix) / "transformers-4"
_PROLOGUE = """
import json, sys, warnings
sys.path.insert(0, sys.argv[1])
warnings.simplefilter("ignore")
given = json.loads(sys.stdin.read())
import transformers
assert transformers.__version__ == "4.57.6", transformers.__version__
transformers.logging.set_verbosity_error()
"""
_EPILOGUE = """
sys.stdout.write("\\nANSWER " + json.dumps(answer))
"""


def ask(source: str, given: Any = None) -> Any:
    """Run `source` under Transformers 4.57.6 and give back what it leaves in `answer`."""
    if not (FOLDER / "transformers").is_dir():
        raise RuntimeError(f"{FOLDER}: Transformers 4.57.6 is not there; make test installs it")
    program = _PROLOGUE + source + _EPILOGUE
    done = subprocess.run(
        [sys.executable, "-c", program, str(FOLDER)],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        env={**os.environ, "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"},
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"Transformers 4.57.6 failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.rpartition("\nANSWER ")[2])
