"""What an app's own code sets of a program's settings, read where it says so plainly."""

import os
from math import inf

import pytest

from procrun.plan.check import lint
from procrun.plan.layout import build
from procrun.plan.options import Wishes
from procrun.plan.programs import appcode
from procrun.plan.programs.grace_period import Wait, patience
from procrun.plan.programs.python_workers import CELERY
from procrun.plan.programs.recognise import Recognised, recognise
from procrun.plan.programs.ruby_workers import SIDEKIQ
from tests.harness import Folder

INITIALIZER = "config/initializers/sidekiq.rb"


def known(folder: Folder, command: str, **variables: str) -> Recognised:
    found = recognise(command, variables, str(folder.path))
    assert found is not None
    return found


def wait(folder: Folder, command: str, **variables: str) -> Wait | None:
    return patience(known(folder, command, **variables), str(folder.path))


# --- Sidekiq


@pytest.mark.parametrize(
    "text",
    [
        "Sidekiq.options[:timeout] = 6",
        "Sidekiq.options[:timeout]=6 # seconds",
        "Sidekiq.default_configuration[:timeout] = 6",
        "Sidekiq.options.merge!(timeout: 6)",
        "Sidekiq.configure_server { |c| c[:timeout] = 6 }",
        "Sidekiq.configure_server do |config|\n  config.redis = { url: 'x' }\n  config[:timeout] = 6\nend",
        "Sidekiq.configure_server do |config|\n  config.options[:timeout] = 6\nend",
        "# Sidekiq.options[:timeout] = 20\nSidekiq.options[:timeout] = 6",
        "Sidekiq.options[:timeout] = ENV.fetch('T', 6).to_i",
    ],
)
def test_the_timeout_that_the_code_sets_is_read(folder: Folder, text: str) -> None:
    folder.write(INITIALIZER, text)
    assert wait(folder, "bundle exec sidekiq -t 25") == (6, INITIALIZER)


@pytest.mark.parametrize(
    "text",
    [
        "# Sidekiq.options[:timeout] = 6",
        "HTTP.options[:timeout] = 6  # beside Sidekiq",
        "Sidekiq.configure_client { |c| c[:timeout] = 6 }",
        "Sidekiq.options[:timeouts] = 6",
    ],
)
def test_what_is_no_timeout_of_sidekiq_is_left_alone(folder: Folder, text: str) -> None:
    folder.write(INITIALIZER, text)
    assert wait(folder, "sidekiq -t 25") == (25, "-t 25")


@pytest.mark.parametrize(
    "text",
    [
        "Sidekiq.options[:timeout] = timeout_of(:jobs)",
        "Sidekiq.options[:timeout] = 6\nSidekiq.options[:timeout] = 8 if x",
    ],
)
def test_a_timeout_that_is_computed_cannot_be_read_and_is_said_to_be_there(folder: Folder, text: str) -> None:
    folder.write(INITIALIZER, text)
    assert wait(folder, "sidekiq") == (None, INITIALIZER)


def test_the_file_of_r_is_read_instead_of_the_initializers(folder: Folder) -> None:
    folder.write(INITIALIZER, "Sidekiq.options[:timeout] = 20")
    folder.write("jobs/boot.rb", "Sidekiq.options[:timeout] = 6")
    assert wait(folder, "sidekiq -r ./jobs/boot.rb") == (6, "./jobs/boot.rb")


def test_the_folder_of_r_is_the_app(folder: Folder) -> None:
    folder.write(f"backend/{INITIALIZER}", "Sidekiq.options[:timeout] = 6")
    assert wait(folder, "sidekiq -r backend") == (6, f"backend/{INITIALIZER}")


def test_check_says_what_it_looked_at(folder: Folder) -> None:
    folder.write("bin/sidekiq", "#!/bin/sh\n").chmod(0o755)
    folder.procfile("worker: bin/sidekiq")
    (finding,) = lint(build(Wishes(), {"PATH": os.environ["PATH"]}))
    assert "(its default: -t is not given, and config/sidekiq.yml does not exist)" in finding.text
    folder.write(INITIALIZER, "Sidekiq.options[:timeout] = 6")
    assert lint(build(Wishes(), {"PATH": os.environ["PATH"]})) == []


# --- celery

BOTH = "task_acks_late = True\ntask_reject_on_worker_lost = True\n"
DJANGO = "CELERY_TASK_ACKS_LATE = True\nCELERY_TASK_REJECT_ON_WORKER_LOST = True\n"


@pytest.mark.parametrize(
    ("command", "files"),
    [
        ("celery -A shop worker", {"shop.py": f"app.conf.update({BOTH.replace(chr(10), ',')})"}),
        (
            "celery -A shop:app worker",
            {"shop.py": 'app.conf.task_acks_late = True\napp.conf["task_reject_on_worker_lost"] = True'},
        ),
        ("celery --app=shop worker", {"shop/celery.py": BOTH}),
        ("celery -A shop worker", {"shop/__init__.py": BOTH}),
        ("celery -A shop.tasks worker", {"shop/tasks.py": BOTH}),
        ("celery -A shop worker", {"shop.py": "", "celeryconfig.py": BOTH}),
        ("celery -A shop worker", {"shop.py": "app.config_from_object('shop_settings')", "shop_settings.py": BOTH}),
        ("celery -A shop worker", {"shop.py": "import conf\napp.config_from_object(conf)", "conf.py": BOTH}),
        ("celery -A shop worker", {"shop.py": "app.config_from_object('conf:Production')", "conf.py": BOTH}),
        (
            "celery -A shop worker",
            {
                "shop/celery.py": "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings.local')\n"
                "app.config_from_object('django.conf:settings', namespace='CELERY')",
                "shop/settings/local.py": "from .base import *",
                "shop/settings/base.py": DJANGO,
            },
        ),
        ("DJANGO_SETTINGS_MODULE=conf.live celery -A shop worker", {"shop.py": "", "conf/live.py": DJANGO}),
        ("cd src && celery -A shop worker", {"src/shop.py": BOTH}),
        ("celery --workdir src -A shop worker", {"src/shop.py": BOTH}),
        ("PYTHONPATH=src celery -A shop worker", {"src/shop.py": BOTH}),
    ],
)
def test_celery_that_gives_its_tasks_back_is_known_by_its_settings(
    folder: Folder, command: str, files: dict[str, str]
) -> None:
    for name, text in files.items():
        folder.write(name, text)
    found = known(folder, command).profile
    assert found.patience is not None and found.patience.harmless
    assert found.term_to_all == ""


@pytest.mark.parametrize(
    "text",
    [
        "task_acks_late = True",
        "task_reject_on_worker_lost = True",
        "task_acks_late = True\ntask_reject_on_worker_lost = False",
        "# task_acks_late = True\ntask_reject_on_worker_lost = True",
        "@app.task(acks_late=True, reject_on_worker_lost=True)",
        "",
    ],
)
def test_celery_without_both_settings_loses_its_tasks(folder: Folder, text: str) -> None:
    folder.write("shop.py", text)
    assert known(folder, "celery -A shop worker").profile == CELERY


def test_files_that_name_each_other_are_read_once(folder: Folder) -> None:
    folder.write("shop.py", "from .shop import *\nfrom .conf import *")
    folder.write("conf.py", "from .shop import *")
    code = CELERY.variants[0].code
    assert code is not None
    assert not appcode.holds(code, ("celery", "-A", "shop", "worker"), {}, str(folder.path))


def test_the_wait_of_celery_stays_what_it_is(folder: Folder) -> None:
    folder.write("shop.py", BOTH)
    assert wait(folder, "celery -A shop worker") == (inf, "its default")
    assert SIDEKIQ.patience is not None and SIDEKIQ.patience.code is not None
