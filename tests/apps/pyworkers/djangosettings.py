"""Settings for the workers of Django; nothing but the queues is used."""

import os

_URL = os.environ[os.environ["REDIS_PROVIDER"]]
SECRET_KEY = "no secret in a test"
INSTALLED_APPS = ["django.contrib.contenttypes", "django_rq", "django_q"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
RQ_QUEUES = {"default": {"URL": _URL}}
Q_CLUSTER = {
    "name": "demo",
    "redis": _URL,
    "workers": 3,
    "timeout": 60,
    "retry": 120,
    "save_limit": -1,
    "scheduler": False,
}
USE_TZ = True
