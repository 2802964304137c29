import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from reports.models import Report
from reports.tasks import write

PATIENCE = 30  # seconds


class Command(BaseCommand):
    help = "Has a worker write a report, and waits for it."

    def handle(self, *_args: Any, **_options: Any) -> None:
        report = Report.objects.create()
        write.delay(report.pk)
        deadline = time.monotonic() + PATIENCE
        while report.state != Report.State.DONE:
            if time.monotonic() > deadline:
                raise CommandError(f"report {report.pk} is {report.state} after {PATIENCE} seconds; is there a worker?")
            time.sleep(0.1)
            report.refresh_from_db()
        self.stdout.write(f"report {report.pk} is written")
