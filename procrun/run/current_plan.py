"""What a changed plan would need a new start for."""

from procrun.plan import config, layout


def _of_the_start(before: layout.Plan, now: layout.Plan) -> list[str]:
    """A line for each setting that is new and that only a start looks at."""
    then, new = before.sources.config, now.sources.config
    keys = [key for key in ("log_dir", "log_size", "log_keep", "log_rotate") if getattr(then, key) != getattr(new, key)]
    keys += ["heroku.log"] * (then.heroku.log != new.heroku.log) + ["heroku.cycle"] * (before.cycle != now.cycle)
    return [f"{config.FILE}: {key} is new; it holds from the next `procrun start` on" for key in keys]
