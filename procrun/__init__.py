"""procrun runs a Procfile: one prefixed stream, hard stop deadlines, no lost jobs."""

__version__ = "0.1.0"
