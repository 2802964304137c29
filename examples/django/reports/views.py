from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from .models import STEPS, Report
from .tasks import write


def index(request: HttpRequest) -> HttpResponse:
    return render(request, "reports/index.html", {"reports": Report.objects.order_by("-pk")[:20], "steps": STEPS})


@require_POST
def add(request: HttpRequest) -> HttpResponse:
    report = Report.objects.create()
    transaction.on_commit(lambda: write.delay(report.pk))
    return redirect("index")


def up(request: HttpRequest) -> HttpResponse:
    Report.objects.exists()
    return HttpResponse("OK")
