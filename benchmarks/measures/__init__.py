"""The measures: one file each, with one function `measure(runners, child)` that hands back a Report."""
