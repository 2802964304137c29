"""The one error of the benchmarks: a run that did not do what it was started for."""


class BenchError(Exception):
    """Says in one line what went wrong; the caller adds the runner and the measure."""
