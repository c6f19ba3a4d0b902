"""What a script needs beside the package's own dependencies."""

import sys
from importlib.util import find_spec


EXTRAS = {"matplotlib": "benchmark", "xgrammar": "llm"}  # module: what brings it


def need(module: str) -> None:
    """Ends the script, with a line that says how to get the module, where it is not installed."""
    if find_spec(module) is None:
        sys.exit(f'{module} is missing: pip install "spacetime_attn[{EXTRAS[module]}]"')
