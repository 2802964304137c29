"""An rq worker inside a script of the app's own, as many projects start theirs."""

import jobs
import rq

if __name__ == "__main__":
    rq.Worker(["default"], connection=jobs.R).work()
