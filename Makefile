# What one types in this checkout. Everything lives in .venv, which is made when needed.

PATH_WITH_VENV = PATH="$(CURDIR)/.venv/bin:$$PATH"

.PHONY: help demo example-rails example-django example-node test check bench soak docs-table docs-programs clean

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: .venv/demo ## run the example (a page, a worker, a Redis) until Ctrl-C
	@$(PATH_WITH_VENV) exec procrun start -f Procfile.example -e .env.example

example-rails: .venv/demo ## run examples/rails: puma, Sidekiq and Redis
	@examples/rails/bin/setup
	@cd examples/rails && export $(PATH_WITH_VENV) && exec procrun start

example-django: .venv/django ## run examples/django: gunicorn, Celery and Redis
	@examples/need redis-server
	@cd examples/django && export $(PATH_WITH_VENV) && exec procrun start

example-node: .venv/demo ## run examples/node: a server and a worker, without npm
	@examples/need node
	@cd examples/node && export $(PATH_WITH_VENV) && exec procrun start

test: ## install what the tests need, then run all checks
	@tests/install-packages
	@$(MAKE) --no-print-directory check

check: .venv/dev tests/apps/node/node_modules ## lint, types, import rules, tests
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports
	$(PATH_WITH_VENV) tests/run-all  # four at a time, as most of the time a test waits

bench: .venv/dev tests/apps/node/node_modules ## measure beside other runners: start-up, idle, many, KILL on time, output, memory, lost jobs
	$(PATH_WITH_VENV) python benchmarks/run.py

soak: .venv/dev ## a hundred crash-looping processes for ten minutes: does procrun grow?
	$(PATH_WITH_VENV) python benchmarks/soak.py

docs-table: .venv/dev ## print the tables of docs/workers.md from what the last tests and the last bench saw
	@.venv/bin/python docs/make_workers_table.py
	@echo
	@.venv/bin/python docs/make_workers_table.py jobs

docs-programs: .venv/dev ## print the table of known programs of docs/workers.md
	@.venv/bin/python docs/make_programs_table.py

clean: ## remove .venv, caches and the example's data
	rm -rf .venv build dist tests/apps/node/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -rf examples/first/data examples/rails/Gemfile.lock examples/rails/storage/* examples/django/var/* examples/node/data
	find procrun tests benchmarks examples -name __pycache__ -prune -exec rm -rf {} +

.venv/demo .venv/django .venv/dev: pyproject.toml tests/make-venv
	@tests/make-venv $(@F)
.venv/django: examples/django/requirements.txt

tests/apps/node/node_modules: tests/apps/node/package.json
	@tests/make-node
