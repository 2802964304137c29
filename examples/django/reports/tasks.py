import os
import time

from celery import shared_task
from celery.utils.log import get_task_logger

from .models import STEPS, Report

STEP_SECONDS = float(os.environ.get("STEP_SECONDS", "0.5"))
logger = get_task_logger(__name__)


@shared_task
def write(number: int) -> None:
    """Writes a report in ten steps, from the one it had reached when a stop sent it back to the queue."""
    report = Report.objects.get(pk=number)
    report.state = Report.State.RUNNING
    while report.step < STEPS:
        report.save()
        time.sleep(STEP_SECONDS)
        report.step += 1
        logger.info("report %s: step %s of %s", number, report.step, STEPS)
    report.state = Report.State.DONE
    report.save()
    logger.info("report %s: done", number)
