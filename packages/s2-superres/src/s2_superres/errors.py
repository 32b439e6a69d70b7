"""Every error this package raises on purpose.

A message names the file or value at fault and says what to do next; the
command line prints it as one line and exits with 1.
"""


class S2SuperresError(Exception):
    """Base class of the package's errors."""


class ProductError(S2SuperresError):
    """The input is not a readable Sentinel-2 product."""


class InstallationError(S2SuperresError):
    """A library that is installed lacks what is needed: a driver, or its own data."""


class AreaError(S2SuperresError, ValueError):
    """The area of interest, window or grid asked for cannot be used."""


class WeightsError(S2SuperresError):
    """A weights file is missing, damaged or made for another network."""


class InputError(S2SuperresError, ValueError):
    """An array or option has the wrong shape, dtype or value."""


class OutputError(S2SuperresError):
    """The output cannot be written."""


class BusyError(OutputError):
    """Another run is writing the output."""


class TrainingError(S2SuperresError):
    """Training cannot start or go on."""


class TrainingStopped(TrainingError):
    """Training was stopped by a signal, after a checkpoint.

    Attributes
    ----------
    number : int
        Of the signal: 2 for Ctrl-C, 15 for SIGTERM.
    """

    def __init__(self, message: str, number: int = 2) -> None:
        super().__init__(message)
        self.number = number


class WorkerError(S2SuperresError):
    """A worker process of an executor died, or cannot begin."""


def in_one_line(error: BaseException) -> str:
    """Return what was wrong with one of many."""
    if isinstance(error, MemoryError):
        return "out of memory: take a smaller --tile, or fewer --jobs"
    text = " ".join(str(error).split())
    if isinstance(error, S2SuperresError):
        return text
    if isinstance(error, OSError):
        return f"{error.filename or 'a file'}: {error.strerror or text}"
    return f"{type(error).__name__}: {text}; please report it"
