"""The command and the reading functions of 0.3 under the name of that time; see `legacy`."""

from .legacy.evaluate import *  # noqa: F403
from .legacy.evaluate import __all__ as __all__
from .legacy.evaluate import main

if __name__ == "__main__":
    main()
