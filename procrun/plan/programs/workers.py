"""The workers procrun knows: programs that take jobs from a queue, and lose or repeat them when they are killed."""

from procrun.plan.programs.other_workers import OTHER_WORKERS
from procrun.plan.programs.profile import Profile
from procrun.plan.programs.python_workers import PYTHON_WORKERS
from procrun.plan.programs.ruby_workers import RUBY_WORKERS

WORKERS: tuple[Profile, ...] = (*RUBY_WORKERS, *PYTHON_WORKERS, *OTHER_WORKERS)
