"""`python -m socsci210.train CONFIG.yaml [--key value ...]`, or the same behind `accelerate launch -m`."""

from __future__ import annotations

import sys
from pathlib import Path

from socsci210.errors import SocSciError, refused_by_system

from .config import read_config


def main(arguments: list[str]) -> int:
    """Trains as configured and prints the model folder. Returns the exit code."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(__doc__)
        return 0 if arguments else 2
    try:
        resolved = read_config(Path(arguments[0]), arguments[1:])
        from accelerate import PartialState

        from .loop import train

        output = train(resolved)
        if PartialState().is_main_process:
            print(output)
    except SocSciError as error:
        return _refused(error)
    except OSError as error:
        return _refused(refused_by_system(error))
    except KeyboardInterrupt:
        print("stopped: the same command goes on from the last checkpoint, or from the start where there is none", file=sys.stderr)
        return 130
    return 0


def _refused(error: SocSciError) -> int:
    print(f"error: {error}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
