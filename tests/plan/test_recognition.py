"""Which program a command runs: the shapes of real Procfiles, and what is read of each."""

import os
import signal
from collections.abc import Mapping
from math import inf
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procrun.plan.programs import versions
from procrun.plan.programs.grace_period import Wait, patience, stop_sequence
from procrun.plan.programs.recognise import Recognised, installed_version, named, recognise
from procrun.plan.programs.ruby_workers import SIDEKIQ
from procrun.plan.programs.webservers import PUMA

ENVIRON = {"HOME": "/home/me", "RAILS_ENV": "production", "OPTS": "-c 5 -t 9", "EMPTY": ""}

# What real Procfiles hold: each program alone, behind each wrapper, and what only looks like it.
SHAPES: list[tuple[str, str | None]] = [
    # Sidekiq
    ("sidekiq", "sidekiq"),
    ("bundle exec sidekiq", "sidekiq"),
    ("bundle exec sidekiq -C config/sidekiq.yml", "sidekiq"),
    ("bundle exec sidekiq -q default -q mailers,2 -c 5", "sidekiq"),
    ("bundle exec sidekiq -e $RAILS_ENV -c $SIDEKIQ_WORKERS", "sidekiq"),
    ("bin/sidekiq", "sidekiq"),
    ("./bin/sidekiq -t 25", "sidekiq"),
    ("bin/bundle exec sidekiq", "sidekiq"),
    ("$HOME/bin/sidekiq", "sidekiq"),
    ("${HOME}/bin/sidekiq", "sidekiq"),
    ("RAILS_ENV=production bundle exec sidekiq", "sidekiq"),
    ("MALLOC_ARENA_MAX=2 RAILS_MAX_THREADS=${SIDEKIQ_CONCURRENCY:-8} bundle exec sidekiq", "sidekiq"),
    ("env RAILS_ENV=production bundle exec sidekiq", "sidekiq"),
    ("env -u PORT A=1 bundle exec sidekiq", "sidekiq"),
    ("exec bundle exec sidekiq", "sidekiq"),
    ("exec -a worker sidekiq", "sidekiq"),
    ("unset PORT && bundle exec sidekiq", "sidekiq"),
    ("unset PORT; bundle exec sidekiq", "sidekiq"),
    ("cd app && bundle exec sidekiq", "sidekiq"),
    ("cd ./app && RAILS_ENV=test exec bundle exec sidekiq", "sidekiq"),
    ("sleep 5 && bundle exec sidekiq", "sidekiq"),
    ("rm -f tmp/pids/sidekiq.pid; bundle exec sidekiq", "sidekiq"),
    ("export A=1; bundle exec sidekiq", "sidekiq"),
    ("bundle check || bundle install && bundle exec sidekiq", "sidekiq"),
    ("sidekiq || true", "sidekiq"),
    ("sidekiq; exit 1", "sidekiq"),
    ("[ \"$X\" = 'true' ] && exit 0 || bundle exec sidekiq", "sidekiq"),
    ("sh -c 'bundle exec sidekiq'", "sidekiq"),
    ("bash -lc 'bundle exec sidekiq -t 6'", "sidekiq"),
    ('bash -c "cd app && exec bundle exec sidekiq"', "sidekiq"),
    ("/bin/sh -ec 'A=1 exec sidekiq'", "sidekiq"),
    ("sh -c \"sh -c 'exec sidekiq'\"", "sidekiq"),
    ("je bundle exec sidekiq", "sidekiq"),
    ("bundle exec je sidekiq", "sidekiq"),
    ("jemalloc.sh bundle exec sidekiq", "sidekiq"),
    ("ddtrace-run sidekiq", "sidekiq"),
    ("rerun --background --dir app,lib --pattern '**/*.rb' -- bundle exec sidekiq", "sidekiq"),
    ("rerun -b 'bundle exec sidekiq -r ./app.rb'", "sidekiq"),
    ("bundle exec rerun -d app -- sidekiq", "sidekiq"),
    ("dotenv bundle exec sidekiq", "sidekiq"),
    ("dotenv -f .env.local bundle exec sidekiq", "sidekiq"),
    ("bundle exec dotenv -f '.env' sidekiq", "sidekiq"),
    ("ruby bin/sidekiq", "sidekiq"),
    ("ruby -S sidekiq", "sidekiq"),
    ("ruby -I lib bin/sidekiq", "sidekiq"),
    ("jruby -S bundle exec sidekiq", "sidekiq"),
    ("rbenv exec bundle exec sidekiq", "sidekiq"),
    ("nice -n 10 bundle exec sidekiq", "sidekiq"),
    ("nice -10 bundle exec sidekiq", "sidekiq"),
    ("ionice -c 2 -n 7 nice sidekiq", "sidekiq"),
    ("time bundle exec sidekiq", "sidekiq"),
    ("nohup bundle exec sidekiq", "sidekiq"),
    ("sudo -u app -E RAILS_ENV=production bundle exec sidekiq", "sidekiq"),
    ("gosu app bundle exec sidekiq", "sidekiq"),
    ("tini -- bundle exec sidekiq", "sidekiq"),
    ("tini -g -s -- sidekiq", "sidekiq"),
    ("dumb-init bundle exec sidekiq", "sidekiq"),
    ("dumb-init --rewrite 15:2 -- bundle exec sidekiq", "sidekiq"),
    ("timeout -k 5 30 sidekiq", "sidekiq"),
    ("stdbuf -oL sidekiq", "sidekiq"),
    ("chamber exec my-service other -- bundle exec sidekiq", "sidekiq"),
    ("direnv exec . sidekiq", "sidekiq"),
    ("doppler run -- bundle exec sidekiq", "sidekiq"),
    ("op run --env-file=.env -- bundle exec sidekiq", "sidekiq"),
    ("bundle exec sidekiqswarm", "sidekiq"),
    ("bundle exec sidekiq >> log/sidekiq.log 2>&1", "sidekiq"),
    ("sidekiq $OPTS", "sidekiq"),
    ("bundle exec sidekiqmon", None),
    ("bundle exec sidekiq & bundle exec rails runner x", "sidekiq"),
    ("bundle exec sidekiq | tee log/sidekiq.log", "sidekiq"),
    ("bundle install", None),
    ("echo sidekiq", None),
    ("sh bin/sidekiq.sh", None),
    ("gem install sidekiq", None),
    # Celery
    ("celery -A proj worker", "celery"),
    ("celery -A proj worker -l info -c 4 --max-tasks-per-child=100", "celery"),
    ("celery worker -A proj", "celery"),
    ("celery --app=proj worker -B", "celery"),
    ("celery -A proj.celery:app worker --beat --loglevel=info", "celery"),
    ("celery -A worker worker", "celery"),
    ("newrelic-admin run-program celery -A proj worker", "celery"),
    ("ddtrace-run celery -A proj worker --pool=gevent", "celery"),
    ("env A=1 ddtrace-run celery -A proj worker", "celery"),
    ("python -m celery -A proj worker", "celery"),
    ("python3.11 -u -m celery -A proj worker", "celery"),
    ("env/bin/python -m celery worker -A proj", "celery"),
    ("sh -c 'cd sites && exec ../env/bin/python -m celery -A proj worker'", "celery"),
    ("python manage.py celery worker", "celery"),
    ("python3 manage.py celery worker -E -B --maxtasksperchild=1000", "celery"),
    ("./manage.py celery worker", "celery"),
    ("newrelic-admin run-program python manage.py celery worker", "celery"),
    ("REMAP_SIGTERM=SIGQUIT python manage.py celery worker", "celery"),
    ("uv run celery -A proj worker", "celery"),
    ("uv run --no-sync --env-file .env celery -A proj worker", "celery"),
    ("uv run -m celery -A proj worker", "celery"),
    ("uv run -- celery -A proj worker", "celery"),
    ("uv run python -m celery -A proj worker", "celery"),
    ("poetry run celery -A proj worker", "celery"),
    ("poetry -C api run celery -A proj worker", "celery"),
    ("pipenv run celery -A proj worker", "celery"),
    ("pdm run celery -A proj worker", "celery"),
    ("python -m pipenv run celery -A proj worker", "celery"),
    ("python venv/bin/celery -A proj worker", "celery"),
    (". venv/bin/activate && celery -A proj worker", "celery"),
    ("source .venv/bin/activate && exec celery -A proj worker", "celery"),
    ("watchmedo auto-restart --directory=./ --pattern=*.py --recursive -- celery -A proj worker", "celery"),
    ("watchfiles --filter python 'celery -A proj worker' src", "celery"),
    ("opentelemetry-instrument celery -A proj worker", "celery"),
    ("python -m debugpy --listen 0.0.0.0:5678 -m celery -A proj worker", "celery"),
    ("conda run -n env celery -A proj worker", "celery"),
    ("celery -A proj beat", "celery-beat"),
    ("celery -A worker beat", "celery-beat"),
    ("celery beat -A proj", "celery-beat"),
    ("celery -A proj flower --port=$PORT", None),
    ("celery multi start w1 -A proj", None),
    ("celery", None),
    ("python manage.py celery beat", "celery-beat"),
    ("python manage.py celerycam", None),
    ("celery -A proj worker & celery -A proj beat & wait -n", "celery"),
    ("flower --port=5555", None),
    # Resque
    ("bundle exec rake resque:work", "resque"),
    ("bundle exec rake environment resque:work QUEUE='*'", "resque"),
    ("QUEUE=* bundle exec rake resque:work", "resque"),
    ("env QUEUE=* bundle exec rake resque:work", "resque"),
    ("env TERM_CHILD=1 RESQUE_TERM_TIMEOUT=8 QUEUE=* bundle exec rake resque:work", "resque"),
    ("bin/rails resque:work", "resque"),
    ("resque work -q high,low", "resque"),
    ("bundle exec rake resque:scheduler", None),
    ("bundle exec rake resque:workers COUNT=5", None),
    ("bundle exec rake jobs:work", "delayed_job"),
    ("bundle exec rake work", None),
    ("bin/rails jobs:work", "delayed_job"),
    ("bin/rails db:migrate", None),
    ("bundle exec rake assets:precompile", None),
    # rq and Dramatiq
    ("rq worker", "rq"),
    ("rq worker high default low --url $REDIS_URL", "rq"),
    ("rq worker-pool -n 3", "rq"),
    ("python -m rq worker", "rq"),
    ("python -m rq.cli worker", "rq"),
    ("python manage.py rqworker default", "rq"),
    ("uv run rq worker", "rq"),
    ("uv run python manage.py rqworker", "rq"),
    ("ddtrace-run rq worker", "rq"),
    ("rq info", None),
    ("rqscheduler", None),
    ("rq-dashboard", None),
    ("dramatiq app.tasks", "dramatiq"),
    ("dramatiq -p 2 -t 3 app", "dramatiq"),
    ("poetry run dramatiq app.tasks --worker-shutdown-timeout 8000", "dramatiq"),
    ("python -m dramatiq app", "dramatiq"),
    ("python manage.py rundramatiq", "dramatiq"),
    ("arq app.worker.Settings", "arq"),
    ("huey_consumer.py app.huey", "huey"),
    # Python servers
    ("gunicorn app:app", "gunicorn"),
    ("gunicorn app:app --log-file -", "gunicorn"),
    ("gunicorn -b 0.0.0.0:$PORT -w ${WEB_CONCURRENCY:-2} app.wsgi", "gunicorn"),
    ("newrelic-admin run-program gunicorn app.wsgi", "gunicorn"),
    ("NEW_RELIC_CONFIG_FILE=newrelic.ini newrelic-admin run-program gunicorn app.wsgi -c gunicorn.py", "gunicorn"),
    ("bin/start-pgbouncer gunicorn app.wsgi", "gunicorn"),
    ("bin/start-pgbouncer-stunnel newrelic-admin run-program gunicorn app.wsgi", "gunicorn"),
    ("bin/start-pgbouncer ddtrace-run gunicorn app.wsgi", "gunicorn"),
    ("python -m gunicorn app:app", "gunicorn"),
    ("python manage.py migrate && gunicorn app.wsgi", "gunicorn"),
    ("python manage.py collectstatic --noinput; gunicorn app.wsgi", "gunicorn"),
    ("gunicorn -k uvicorn.workers.UvicornWorker app:app", "gunicorn"),
    ("xvfb-run -a gunicorn app:app", "gunicorn"),
    ("python manage.py runserver 0.0.0.0:$PORT", None),
    ("uvicorn app:app --host 0.0.0.0 --port $PORT", "uvicorn"),
    ("uvicorn app:app --reload", "uvicorn"),
    ("uv run uvicorn app.main:app", "uvicorn"),
    ("python -m uvicorn app:app --port ${PORT:-8000}", "uvicorn"),
    ("cd backend && uv run uvicorn app:app", "uvicorn"),
    ("coverage run -m uvicorn app:app", "uvicorn"),
    ("daphne app.asgi:application", "daphne"),
    ("hypercorn app:app", "hypercorn"),
    ("flask run -p $PORT", None),
    ("streamlit run app.py", None),
    ("uv sync", None),
    ("python app.py", None),
    ("python -c 'import celery'", None),
    ("uwsgi uwsgi.ini", "uwsgi"),
    ("uwsgi --http :$PORT --master --die-on-term", "uwsgi"),
    ("newrelic-admin run-program uwsgi uwsgi.ini", "uwsgi"),
    ("bin/start-nginx bin/start-pgbouncer newrelic-admin run-program uwsgi uwsgi.ini", "uwsgi"),
    # Ruby servers
    ("bundle exec puma", "puma"),
    ("bundle exec puma -C config/puma.rb", "puma"),
    ("bundle exec puma -t 5:5 -p ${PORT:-3000} -e ${RACK_ENV:-development}", "puma"),
    ("bin/puma -w 2", "puma"),
    ("bin/rails server", "puma"),
    ("bin/rails s -p 3000", "puma"),
    ("bundle exec rails server -p $PORT -b 0.0.0.0", "puma"),
    ("rails s Puma", "puma"),
    ("rails server -u puma", "puma"),
    ("rails s -e production -p 3000", "puma"),
    ("ruby script/rails server", "puma"),
    ("thrust bin/rails server", "puma"),
    ("bundle exec thrust ./bin/rails server", "puma"),
    ("env RUBY_DEBUG_OPEN=true bin/rails server", "puma"),
    ("PORT=${PORT:-3000} bin/rails server -p ${PORT:-3000}", "puma"),
    ('bin/rails server -p ${PORT:="3000"}', "puma"),
    ('rm -f tmp/pids/server.pid; RAILS_LOG_TO_STDOUT=1 bin/rails server -b "${WEB_BIND:-127.0.0.1}"', "puma"),
    ("unset PORT && env RUBY_DEBUG_OPEN=true bin/rails server", "puma"),
    ("cd example && bundle exec rails s -b ${FOREMAN_HOST:-${HOST:-localhost}}", "puma"),
    ("bundle exec rackup -s puma", "puma"),
    ("rails s thin", "thin"),
    ("rails server -u thin", "thin"),
    ("rails server --using=webrick", None),
    ("bundle exec rackup config.ru -p $PORT", None),
    ("bundle exec thin start", "thin"),
    ("bundle exec passenger start", "passenger"),
    ("bin/rails tailwindcss:watch", None),
    ("bin/rails runner Foo.bar", None),
    ("bundle exec unicorn -p $PORT -c config/unicorn.rb", "unicorn"),
    ("bundle exec unicorn_rails", "unicorn"),
    ("env A=1 bundle exec unicorn -c ./config/unicorn.rb", "unicorn"),
    ("nginx -g 'daemon off;' -c nginx.conf", "nginx"),
    ("/usr/sbin/nginx -g 'daemon off;'", "nginx"),
    # stores
    ("redis-server", "redis"),
    ("redis-server config/redis.conf", "redis"),
    ("redis-server --port ${ODL_REDIS_PORT:-16379} --save 60 1", "redis"),
    ("/usr/local/bin/redis-server /etc/redis.conf", "redis"),
    ("valkey-server --port 6379", "redis"),
    ("redis-cli monitor", None),
    ("mongod", "mongod"),
    ("sudo mongod --dbpath data", "mongod"),
    ("mongo", None),
    ("postgres -D /usr/local/var/postgres", "postgres"),
    ("postgres -D ~/Library/Application\\ Support/Postgres93/var", "postgres"),
    ("/usr/lib/postgresql/15/bin/postgres -D data", "postgres"),
    ("docker-entrypoint.sh postgres", "postgres"),
    ("pg_ctl start -D data", None),
    ("memcached -m 64", "memcached"),
    ("mysqld --datadir=data", "mysqld"),
    ("mariadbd", "mysqld"),
    ("rabbitmq-server", "rabbitmq"),
    ("elasticsearch -f", "elasticsearch"),
    ("sleep 10 && $HOME/kafka/bin/kafka-server-start.sh config/server.properties", "kafka"),
    ("bin/zookeeper-server-start.sh config/zookeeper.properties", "zookeeper"),
    ("zkServer.sh start-foreground", "zookeeper"),
    ("zkServer.sh start", None),
    ("etcd --data-dir=/tmp/etcd", "etcd"),
    ("minio server data", "minio"),
    ("minio --version", None),
    ("beanstalkd -l 127.0.0.1 -p 11300 -b data", "beanstalkd"),
    ("nats-server -js", "nats"),
    ("mosquitto -c mosquitto.conf", "mosquitto"),
    ("faktory -b :7419", "faktory"),
    ("gearmand --log-file=stderr", "gearmand"),
    ("meilisearch --db-path data.ms", "meilisearch"),
    ("clickhouse-server --config-file=c.xml", "clickhouse"),
    ("clickhouse server", "clickhouse"),
    ("clickhouse client", None),
    ("opensearch", "elasticsearch"),
    ("pgbouncer pgbouncer.ini", "pgbouncer"),
    ("sudo -u postgres pgbouncer /etc/pgbouncer/pgbouncer.ini", "pgbouncer"),
    ("cockroach start-single-node --insecure", "cockroach"),
    ("cockroach sql", None),
    ("mailcatcher -f --http-ip=0.0.0.0", None),
    ("docker run --rm -p 6379:6379 redis", None),
    # workers and servers that public Procfiles hold, less often
    ("bin/delayed_job run", "delayed_job"),
    ("script/delayed_job run -n 2", "delayed_job"),
    ("RAILS_ENV=production bundle exec rake jobs:work QUEUE=mail", "delayed_job"),
    ("bin/delayed_job start", None),  # it leaves
    ("bundle exec good_job start --queues=default", "good_job"),
    ("bin/jobs", "solid_queue"),
    ("./bin/jobs --skip-recurring", "solid_queue"),
    ("bin/rails solid_queue:start", "solid_queue"),
    ("jobs", None),
    ("bundle exec shoryuken -q queue -r ./app", "shoryuken"),
    ("bundle exec que ./config/environment.rb", "que"),
    ("bundle exec karafka server", "karafka"),
    ("bundle exec karafka console", None),
    ("bundle exec rake sneakers:run", "sneakers"),
    ("bundle exec resque-pool", "resque-pool"),
    ("bundle exec rake resque:pool", "resque-pool"),
    ("php -d memory_limit=1G artisan queue:work --tries=3", "laravel"),
    ("php artisan horizon", "horizon"),
    ("php artisan serve", None),
    ("php artisan schedule:work", None),
    ("php bin/console messenger:consume async -vv", "messenger"),
    ("bin/console cache:clear", None),
    ("python -m huey.bin.huey_consumer app.huey", "huey"),
    ("python manage.py run_huey", "huey"),
    ("taskiq worker app:broker", "taskiq"),
    ("taskiq scheduler app:scheduler", None),
    ("procrastinate --app=papp.app worker", "procrastinate"),
    ("python manage.py procrastinate worker", "procrastinate"),
    ("procrastinate schema --apply", None),
    ("python manage.py qcluster", "django-q"),
    ("python manage.py rqworker-pool default", "rq"),
    ("bench worker-pool", "rq"),
    ("bench serve --port 8000", None),
    ("bench schedule", None),
    ("airflow celery worker", "celery"),
    ("airflow scheduler", None),
    ("dramatiq-gevent app -p 2 -t 120", "dramatiq"),
    ("python -m proj.celery_app worker -l info", "celery"),
    ("celery -m proj.celery_app worker", "celery"),
    ("python -m proj.celery_app", None),
    ("python manage.py prodserver worker", "celery"),
    ("granian --interface asgi app:app", "granian"),
    ("waitress-serve --listen=:$PORT app:app", "waitress"),
    ("gunicorn -k gevent app:app", "gunicorn"),
    ("bundle exec rackup -s thin", "thin"),
    ("bundle exec falcon serve", "falcon"),
    ("apache2 -DFOREGROUND", "apache"),
    ("php-fpm -F", "php-fpm"),
    ("supervisord -n", "supervisord"),
    ("pm2-runtime start app.js", "pm2-runtime"),
    ("pm2 list", None),
    ("npx graphile-worker", "graphile-worker"),
    # everything else
    ("yarn build --watch", None),
    ("npm run start", None),
    ("node server.js", None),
    ("bin/webpack-dev-server", None),
    ("bench worker --queue short 1>> logs/worker.log 2>> logs/worker.error.log", "rq"),
    ("java -Dserver.port=$PORT $JAVA_OPTS -jar target/app.jar", None),
    ("$HOME/jaeger/jaeger-all-in-one --x", None),
    ("bundle exec foreman start -f Procfile.heroku", "foreman"),
    ("honcho start -f Honchofile", "honcho"),
    ("php artisan queue:work", "laravel"),
    ("bundle exec clockwork clock.rb", None),
    ("bundle exec good_job start", "good_job"),
    ("bundle exec je ./script/console", None),
    ("while true; do sidekiq; done", "sidekiq"),
    ("if [ -f x ]; then sidekiq; fi", "sidekiq"),
    ("(cd app && sidekiq)", "sidekiq"),
    ("$UNKNOWN", None),
    ("$(which sidekiq)", None),
    ("'unfinished", None),
    ("", None),
    ("A=1", None),
    ("env", None),
    ("bundle exec", None),
    ("sh -c", None),
    ("rails", None),
]


@pytest.mark.parametrize(("command", "name"), SHAPES)
def test_program_is_told_behind_its_wrappers(command: str, name: str | None) -> None:
    found = recognise(command, ENVIRON)
    assert (found.profile.name if found else None) == name


def test_the_table_is_as_large_as_what_it_stands_for() -> None:
    assert len(SHAPES) == len({command for command, _ in SHAPES}) >= 200


@given(st.text(st.sampled_from("sidekq -t8\"'$`\\{}()|&;=:<>~*\n") | st.characters(), max_size=40))
def test_no_command_makes_it_raise(command: str) -> None:
    found = recognise(command, ENVIRON)
    assert found is None or found.words


PIECES = (
    "bundle exec sidekiq env A=1 -t ${A:-${B:-8}} sh -c 'exec puma' rerun -- celery -A worker timeout rails s uv run"
)


@given(
    st.lists(st.sampled_from([*PIECES.split(), "&&", ";", "$A", "cd", "export", "unset", "python", "-m", '"', "'x y'"]))
)
def test_no_pieces_of_commands_make_it_raise(pieces: list[str]) -> None:
    found = recognise(" ".join(pieces), ENVIRON, "/nosuch")
    if found is not None:
        patience(found, "/nosuch")
        assert stop_sequence(found, "/nosuch")


# --- words, assignments, folder


def known(command: str, variables: Mapping[str, str] = ENVIRON, root: str | None = None) -> Recognised:
    found = recognise(command, variables, root)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("bundle exec sidekiq -t 6", ("sidekiq", "-t", "6")),
        ("bin/sidekiq $OPTS", ("bin/sidekiq", "-c", "5", "-t", "9")),
        ('sidekiq "$OPTS"', ("sidekiq", "-c 5 -t 9")),
        ("sidekiq $NONE -t 6", ("sidekiq", "-t", "6")),
        ('sidekiq "$NONE"', ("sidekiq", "")),
        ("sidekiq -t ${T:-8}", ("sidekiq", "-t", "8")),
        ("sidekiq -t ${EMPTY:-8} ${EMPTY-9}", ("sidekiq", "-t", "8")),
        ("sidekiq -t ${HOME:+7}", ("sidekiq", "-t", "7")),
        ("sidekiq -t ${A:-${B:-${C:-5}}}", ("sidekiq", "-t", "5")),
        ('sidekiq -t ${T:="25"}', ("sidekiq", "-t", "25")),
        ("T=5; sidekiq -t $T", ("sidekiq", "-t", "5")),
        ("T=5 sidekiq -t $T", ("sidekiq", "-t")),  # the shell expands before it assigns
        ("sidekiq '$OPTS'", ("sidekiq", "$OPTS")),
        ("puma -p $PORT", ("puma", "-p", "$PORT")),
        ("sidekiq -c $(nproc)", ("sidekiq", "-c", "$(nproc)")),
        ("sh -c 'exec sidekiq -t ${T:-6}'", ("sidekiq", "-t", "6")),
        ("python -m celery -A x worker", ("celery", "-A", "x", "worker")),
    ],
)
def test_words_are_those_that_the_program_gets(command: str, words: tuple[str, ...]) -> None:
    assert known(command).words == words


@pytest.mark.parametrize(
    ("command", "assignments"),
    [
        ("sidekiq", {}),
        ("A=1 B=$HOME sidekiq", {"A": "1", "B": "/home/me"}),
        ("A=1 B=$A sidekiq", {"A": "1", "B": "1"}),
        ("A=1 env B=2 bundle exec env C=3 sidekiq", {"A": "1", "B": "2", "C": "3"}),
        ("export A=1 B; exec sidekiq", {"A": "1"}),
        ("A=1; sidekiq", {}),  # the shell's own, not the program's
        ("A=x sh -c 'B=$A exec sidekiq'", {"A": "x", "B": "x"}),
        ("rake resque:work QUEUE='*' TERM_CHILD=1", {"QUEUE": "*", "TERM_CHILD": "1"}),
    ],
)
def test_assignments_of_the_line_are_read(command: str, assignments: dict[str, str]) -> None:
    found = known(command)
    assert found.assignments == assignments
    assert found.variables.items() >= assignments.items()


def test_unset_variable_does_not_reach_the_program() -> None:
    assert "RAILS_ENV" not in known("unset RAILS_ENV && sidekiq").variables
    assert "RAILS_ENV" in known("sidekiq").variables


@pytest.mark.parametrize(
    ("command", "folder"), [("sidekiq", ""), ("cd app && sidekiq", "app"), ("cd a; cd b && sidekiq", "a/b")]
)
def test_folder_is_the_one_that_the_line_changes_to(command: str, folder: str) -> None:
    assert known(command).folder == folder


def test_profile_can_be_given_instead() -> None:
    found = named(SIDEKIQ, "bin/worker -t 7", {})
    assert (found.profile.name, patience(found, "/nosuch")) == ("sidekiq", Wait(7, "-t 7"))
    assert named(SIDEKIQ, "a | b", {}).words == ("a",)
    assert patience(named(SIDEKIQ, "a | b", {}), "/nosuch") == Wait(25, "its default")


# --- what words, variables and files make of a profile


def signals(found: Recognised, root: str = "/nosuch") -> list[tuple[str, float]]:
    return [(signal.Signals(step.signal).name, step.wait) for step in stop_sequence(found, root)]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("sidekiq", [("SIGTERM", 90), ("SIGKILL", 5)]),
        ("sidekiq -t 25", [("SIGTERM", 90), ("SIGKILL", 5)]),
        ("sidekiq -t 300", [("SIGTERM", 303), ("SIGKILL", 5)]),
        ("celery -A x worker", [("SIGTERM", 90), ("SIGQUIT", 3), ("SIGKILL", 5)]),
        ("celery -A x worker --time-limit 1530", [("SIGTERM", 1532), ("SIGQUIT", 3), ("SIGKILL", 5)]),
        ("REMAP_SIGTERM=SIGQUIT celery -A x worker", [("SIGTERM", 90), ("SIGKILL", 5)]),
        ("REMAP_SIGTERM=SIGINT celery -A x worker", [("SIGTERM", 90), ("SIGQUIT", 3), ("SIGKILL", 5)]),
        ("rq worker", [("SIGTERM", 183), ("SIGKILL", 5)]),
        ("dramatiq app", [("SIGTERM", 603), ("SIGKILL", 5)]),
        ("dramatiq app --worker-shutdown-timeout 8000", [("SIGTERM", 90), ("SIGKILL", 5)]),
        ("rake resque:work", [("SIGQUIT", 75), ("SIGTERM", 15), ("SIGKILL", 5)]),
        ("TERM_CHILD=1 RESQUE_TERM_TIMEOUT=40 rake resque:work", [("SIGQUIT", 75), ("SIGTERM", 41), ("SIGKILL", 5)]),
        ("gunicorn app", [("SIGTERM", 32), ("SIGQUIT", 3), ("SIGKILL", 5)]),
        ("gunicorn app --graceful-timeout 60", [("SIGTERM", 62), ("SIGQUIT", 3), ("SIGKILL", 5)]),
        ("unicorn", [("SIGQUIT", 75), ("SIGTERM", 15), ("SIGKILL", 5)]),
        ("nginx", [("SIGQUIT", 75), ("SIGTERM", 15), ("SIGKILL", 5)]),
        ("uwsgi --master", [("SIGINT", 60), ("SIGKILL", 5)]),
        (
            "uwsgi --master --hook-master-start 'unix_signal:15 gracefully_kill_them_all'",
            [("SIGTERM", 62), ("SIGKILL", 5)],
        ),
        ("postgres -D x", [("SIGINT", 60), ("SIGQUIT", 10)]),
        ("redis-server", [("SIGTERM", 30), ("SIGKILL", 5)]),
    ],
)
def test_stop_sequence_gives_the_program_the_time_it_takes(command: str, expected: list[tuple[str, float]]) -> None:
    assert signals(known(command, {})) == expected


def test_uwsgis_graceful_hook_is_seen_in_its_file(tmp_path: Path) -> None:
    text = "[uwsgi]\nhook-master-start = unix_signal:15 gracefully_kill_them_all\nworker-reload-mercy = 90\n"
    (tmp_path / "app.ini").write_text(text)
    found = known("uwsgi app.ini", root=str(tmp_path))
    assert signals(found, str(tmp_path)) == [("SIGTERM", 92), ("SIGKILL", 5)]
    assert patience(found, str(tmp_path)) == Wait(90, "app.ini")


@pytest.mark.parametrize(
    ("lock", "name"),
    [
        ("    rack (2.2)\n    puma (5.6.5)\n", "puma"),
        ("    thin (1.8.1)\n", "thin"),
        ("    falcon (0.47.1)\n", "falcon"),
        ("    webrick (1.8)\n", None),
    ],
)
def test_rackups_server_is_the_one_of_the_lock(tmp_path: Path, lock: str, name: str | None) -> None:
    (tmp_path / "Gemfile.lock").write_text(lock)
    found = recognise("bundle exec rackup -p $PORT", {}, str(tmp_path))
    assert (found.profile.name if found else None) == name
    assert recognise("bundle exec rackup -s webrick", {}, str(tmp_path)) is None


@pytest.mark.parametrize(("text", "known"), [('require "solid_queue/cli"', True), ('require "good_job"', False)])
def test_bin_jobs_is_solid_queues_where_it_says_so(tmp_path: Path, text: str, known: bool) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/jobs").write_text(f"#!/usr/bin/env ruby\n{text}\n")
    assert (recognise("bin/jobs", {}, str(tmp_path)) is not None) is known


def test_delayed_job_that_raises_at_term_has_no_wait(tmp_path: Path) -> None:
    (tmp_path / "config/initializers").mkdir(parents=True)
    assert patience(known("rake jobs:work", root=str(tmp_path)), str(tmp_path)) == Wait(inf, "its default")
    (tmp_path / "config/initializers/delayed_job.rb").write_text("Delayed::Worker.raise_signal_exceptions = :term\n")
    assert patience(known("rake jobs:work", root=str(tmp_path)), str(tmp_path)) == Wait(0, "its default")


@pytest.mark.parametrize(
    ("lock", "name"),
    [
        ("    puma (5.6.5)\n      nio4r (~> 2.0)\n", "puma"),
        ("    thin (1.8.1)\n      puma (>= 1)\n", None),
        ("", "puma"),
    ],
)
def test_rails_server_is_puma_unless_the_lock_has_none(tmp_path: Path, lock: str, name: str | None) -> None:
    (tmp_path / "Gemfile.lock").write_text(lock)
    found = recognise("bin/rails server", {}, str(tmp_path))
    assert (found.profile.name if found else None) == name


# --- patience


@pytest.mark.parametrize(
    ("command", "wait"),
    [
        ("sidekiq", Wait(25, "its default")),
        ("sidekiq -t 8", Wait(8, "-t 8")),
        ("sidekiq -t8", Wait(8, "-t 8")),
        ("sidekiq --timeout=12", Wait(12, "-t 12")),
        ("sidekiq -t 8 -t 9", Wait(9, "-t 9")),
        ("sidekiq $OPTS", Wait(9, "-t 9")),
        ("sidekiq -t $NONE", Wait(None, "-t ")),
        ("sidekiq -t x", Wait(None, "-t x")),
        ("celery -A x worker", Wait(inf, "its default")),
        ("celery -A x worker --soft-time-limit 1500 --time-limit 1530", Wait(1530, "--time-limit 1530")),
        ("REMAP_SIGTERM=SIGQUIT celery -A x worker", None),
        ("rake resque:work", Wait(0, "its default")),
        ("TERM_CHILD=1 rake resque:work", Wait(4, "its default")),
        ("env TERM_CHILD=1 RESQUE_TERM_TIMEOUT=8 rake resque:work", Wait(8, "RESQUE_TERM_TIMEOUT=8")),
        ("RESQUE_TERM_TIMEOUT=8 rake resque:work", Wait(0, "its default")),
        ("rake resque:work TERM_CHILD=1 RESQUE_TERM_TIMEOUT=7", Wait(7, "RESQUE_TERM_TIMEOUT=7")),
        ("GRACEFUL_TERM=1 TERM_CHILD=1 rake resque:work", Wait(inf, "its default")),
        ("rq worker", Wait(180, "its default")),
        ("dramatiq app", Wait(600, "its default")),
        ("dramatiq app --worker-shutdown-timeout 8000", Wait(8, "--worker-shutdown-timeout 8000")),
        ("gunicorn app -t 120", Wait(30, "its default")),
        ("gunicorn app --graceful-timeout 5", Wait(5, "--graceful-timeout 5")),
        (
            "GUNICORN_CMD_ARGS='--graceful-timeout=7 -w 2' gunicorn app",
            Wait(7, "--graceful-timeout 7 in GUNICORN_CMD_ARGS"),
        ),
        ("uvicorn app:app", Wait(inf, "its default")),
        ("uvicorn app:app --timeout-graceful-shutdown 5", Wait(5, "--timeout-graceful-shutdown 5")),
        (
            "UVICORN_TIMEOUT_GRACEFUL_SHUTDOWN=6 uvicorn app:app",
            Wait(6, "UVICORN_TIMEOUT_GRACEFUL_SHUTDOWN=6"),
        ),
        ("puma -t 5:5", Wait(inf, "its default")),
        ("puma -w 2", Wait(30, "its default")),
        ("puma -w 0", Wait(inf, "its default")),
        ("WEB_CONCURRENCY=2 puma", Wait(30, "its default")),
        ("WEB_CONCURRENCY=0 puma", Wait(inf, "its default")),
        ("unicorn", Wait(60, "its default")),
        ("nginx", Wait(inf, "its default")),
        ("uwsgi --master", None),
        ("redis-server", None),
        ("postgres -D x", None),
    ],
)
def test_patience_is_read_from_words_and_variables(command: str, wait: Wait | None) -> None:
    assert patience(known(command), "/nosuch") == wait


@pytest.mark.parametrize(
    ("command", "file", "text", "wait"),
    [
        ("sidekiq", "config/sidekiq.yml", ":timeout: 20\n", 20),
        ("sidekiq", "config/sidekiq.yml", "---\n:concurrency: 5\n'timeout': 20 # seconds\n", 20),
        ("sidekiq", "config/sidekiq.yml.erb", ":timeout: 20\n", 20),
        ("sidekiq -C other.yml", "other.yml", "timeout: 20\n", 20),
        ("cd app && sidekiq", "app/config/sidekiq.yml", ":timeout: 20\n", 20),
        ("sidekiq", "config/sidekiq.yml", ":timeout: 20\nproduction:\n  :timeout: 60\n", 60),
        ("sidekiq", "config/sidekiq.yml", "production:\n  :timeout: 60\n:timeout: 20\n", 60),
        ("sidekiq -e staging", "config/sidekiq.yml", ":timeout: 20\nproduction:\n  :timeout: 60\n", 20),
        ("sidekiq -e staging", "config/sidekiq.yml", "production:\n  :timeout: 60\n", 25),
        ("RAILS_ENV=test sidekiq", "config/sidekiq.yml", "test:\n  timeout: 3\n", 3),
        ("APP_ENV=test sidekiq", "config/sidekiq.yml", "test:\n  timeout: 3\n", 3),
        ("sidekiq", "config/sidekiq.yml", "default: &d\n  timeout: 9\nproduction:\n  <<: *d\n  x: 1\n", 9),
        ("sidekiq", "config/sidekiq.yml", ":queues:\n  - [timeout, 2]\n  - default\n", 25),
        ("sidekiq", "config/sidekiq.yml", ":timeout: <%= ENV['T'] || 8 %>\n", 8),
        ("sidekiq -t 6", "config/sidekiq.yml", ":timeout: 20\n", 6),
        ("gunicorn app", "gunicorn.conf.py", "workers = 2\ngraceful_timeout = 45\n", 45),
        ("gunicorn app -c conf/g.py", "conf/g.py", "graceful_timeout=45  # slow\n", 45),
        ("gunicorn app", "gunicorn.conf.py", 'graceful_timeout = int(os.environ.get("T", 30))\n', 30),
        ("gunicorn app", "gunicorn.conf.py", "timeout = 99\n", 30),
        ("puma", "config/puma.rb", "workers 2\nworker_shutdown_timeout 45\n", 45),
        ("puma", "config/puma.rb", "workers ENV.fetch('WEB_CONCURRENCY') { 2 }\n", 30),
        ("puma", "config/puma.rb", "# workers 2\nthreads 5, 5\n", inf),
        ("puma -C p.rb", "p.rb", "force_shutdown_after 8\n", 8),
        ("puma", "config/puma.rb", "force_shutdown_after :immediately\n", 0),
        ("puma", "config/puma.rb", "force_shutdown_after(:forever)\n", inf),
        ("unicorn -c config/unicorn.rb", "config/unicorn.rb", "worker_processes 2\ntimeout 15\n", 15),
        ("unicorn -c config/unicorn.rb", "config/unicorn.rb", "timeout Integer(ENV['T'] || 15)\n", 15),
        ("unicorn -c config/unicorn.rb", "config/unicorn.rb", "timeout 15\ntimeout 30\n", 30),
        ("nginx -c nginx.conf", "nginx.conf", "events {}\nworker_shutdown_timeout 10s;\n", 10),
        ("nginx -c nginx.conf", "nginx.conf", "worker_shutdown_timeout 1m;\n", 60),
    ],
)
def test_patience_is_read_from_the_programs_own_file(
    tmp_path: Path, command: str, file: str, text: str, wait: float | None
) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    root = str(tmp_path)
    found = patience(known(command, ENVIRON, root), root)
    assert (found.seconds if found else None) == wait


def test_a_file_that_gives_the_wait_is_named(tmp_path: Path) -> None:
    (tmp_path / "g.py").write_text("graceful_timeout = 45\n")
    assert patience(known("gunicorn app -c g.py"), str(tmp_path)) == Wait(45, "g.py")


@given(st.text(st.sampled_from("timeout:= &*<%production\n\t '\"8#") | st.characters(), max_size=60))
def test_no_file_makes_it_raise(text: str) -> None:
    from procrun.plan.programs.settings import seconds

    for profile in (SIDEKIQ, PUMA):
        assert profile.patience is not None
        assert profile.patience.config is not None
        seconds(profile.patience.config, "x.rb", text, "production", {})


# --- versions


LOCK = """GEM
  remote: https://rubygems.org/
  specs:
    rack (2.2.8)
    sidekiq ({version})
      rack (~> 2.0)
    sidekiq-cron (1.9.1)
      sidekiq (>= 4.2.1)

DEPENDENCIES
  sidekiq (~> 6)
"""


@pytest.mark.parametrize(
    ("version", "parsed"), [("6.4.1", (6, 4, 1)), ("4.2.10", (4, 2, 10)), ("7.0.0.beta1", (7, 0, 0)), ("5", (5,))]
)
def test_version_is_the_locked_one(tmp_path: Path, version: str, parsed: tuple[int, ...]) -> None:
    (tmp_path / "Gemfile.lock").write_text(LOCK.format(version=version))
    (tmp_path / "sub").mkdir()
    for command in ("bundle exec sidekiq", "cd sub && bundle exec sidekiq"):
        assert installed_version(known(command), str(tmp_path)) == parsed


def test_lock_that_bundler_is_told_to_use_counts(tmp_path: Path) -> None:
    (tmp_path / "Gemfile.lock").write_text(LOCK.format(version="6.4.1"))
    (tmp_path / "Gemfile.next.lock").write_text(LOCK.format(version="7.1"))
    found = known("BUNDLE_GEMFILE=Gemfile.next bundle exec sidekiq")
    assert installed_version(found, str(tmp_path)) == (7, 1)


def test_lock_without_the_gem_leaves_the_version_unknown(tmp_path: Path) -> None:
    (tmp_path / "Gemfile.lock").write_text("GEM\n  specs:\n    rack (2.2.8)\n")
    assert installed_version(known("sidekiq"), str(tmp_path)) is None


@pytest.mark.parametrize(
    ("installed", "version"),
    [(["6.4.1"], (6, 4, 1)), (["4.1.0", "6.4.1"], None), (["6.4.1", "6.4.1"], (6, 4, 1)), ([], None)],
)
def test_version_is_the_installed_one_where_there_is_only_one(
    tmp_path: Path, installed: list[str], version: tuple[int, ...] | None
) -> None:
    places = [tmp_path / f"gems{number}" for number in range(2)]
    for place, number in zip(places, installed, strict=False):
        (place / "specifications").mkdir(parents=True)
        (place / "specifications" / f"sidekiq-{number}.gemspec").write_text("")
        (place / "specifications" / "sidekiq-cron-1.9.1.gemspec").write_text("")
    given = {"GEM_PATH": os.pathsep.join(map(str, places))}
    assert installed_version(known("sidekiq", given), str(tmp_path)) == version


def test_a_program_that_is_no_gem_has_no_version_here(tmp_path: Path) -> None:
    assert installed_version(known("celery -A x worker"), str(tmp_path)) is None


def test_old_sidekiq_waits_eight_seconds_by_default(tmp_path: Path) -> None:
    found = known("bundle exec sidekiq")
    (tmp_path / "Gemfile.lock").write_text(LOCK.format(version="5.2.9"))
    assert patience(found, str(tmp_path)) == Wait(8, "its default")
    (tmp_path / "Gemfile.lock").write_text(LOCK.format(version="6.0.0"))
    assert patience(found, str(tmp_path)) == Wait(25, "its default")


@given(st.text(max_size=60))
def test_no_lock_makes_it_raise(text: str) -> None:
    versions.locked("sidekiq", text)


def test_a_package_of_npm_is_looked_for_as_node_does(tmp_path: Path) -> None:
    found = recognise("cd web && npx concurrently 'node a.js'", {}, str(tmp_path))
    assert found is not None
    assert installed_version(found, str(tmp_path)) is None
    for folder, version in (("", "8.2.1"), ("web/", "9.2.5-rc.1")):
        place = tmp_path / f"{folder}node_modules/concurrently"
        place.mkdir(parents=True)
        (place / "package.json").write_text(f'{{"name": "concurrently", "version": "{version}"}}')
        wanted = tuple(int(part) for part in version.partition("-")[0].split("."))
        assert installed_version(found, str(tmp_path)) == wanted
