"""
The console command `spacetime-attn`: `main`.

What it does is imported once it is known what is asked for, so that `--help` and mistakes in arguments take no time.
"""

import os
import sys
from collections.abc import Sequence

from .arguments import build_parser


def main(argv: Sequence[str] | None = None) -> int:
    """
    Runs the command; returns its exit code. Mistakes in what it was given end it with one line and code 2, Ctrl-C with
    one line and code 130, and who no longer reads what it prints with code 141.
    """
    try:
        try:
            args = build_parser().parse_args(argv)
            os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
            os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve each other on shared cores
            from .commands import COMMANDS

            COMMANDS[args.command](args)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # which is flushed once more at the very end
        return 141
    except (ValueError, TypeError, OSError, ImportError) as error:
        print(f"spacetime-attn: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("spacetime-attn: interrupted", file=sys.stderr)
        return 130
    return 0
