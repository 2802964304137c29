"""A Django project in one file: its commands are those of django-rq and django-q2."""

import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "djangosettings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
