"""`python -m socsci210 ...`, and `accelerate launch -m socsci210 predict ...` for several processes."""

from __future__ import annotations

from .cli import main

if __name__ == "__main__":
    main()
