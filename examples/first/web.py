"""The web page of the example: shows the jobs, and a button that adds one."""

import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jobs
import redis

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>procrun: first example</title>
<style>
  body { font: 16px/1.5 system-ui; color: #222; max-width: 40rem; margin: 3rem auto; padding: 1em }
  button { font: inherit; padding: .4rem 1rem; cursor: pointer }
  table { width: 100%%; margin-top: 1.5rem; border-collapse: collapse }
  td, th { padding: .3rem .6rem .3rem 0; text-align: left; border-bottom: 1px solid #ddd }
  progress { width: 100%% } .queued { color: #888 } .running { color: #06c } .done { color: #080 }
</style>
<h1>Jobs</h1>
<form method="post" action="/jobs"><button>Add a job</button></form>
<div id="jobs">%s</div>
<p>Try <code>procrun restart worker</code> in another terminal (after <code>make demo</code> it is
<code>.venv/bin/procrun</code>) while a job runs: the job goes back to the queue, and on from the step it had
reached.</p>
<script>
  setInterval(async () => {
    try {
      const answer = await fetch("/jobs")
      document.getElementById("jobs").innerHTML = await answer.text()
    } catch { /* web is stopped, or starting again */ }
  }, 500)
</script>
"""
ROW = (
    '<tr class="{state}"><td>{number}<td>{name}<td>{state}'
    '<td><progress value="{step}" max="{steps}">{step} of {steps}</progress>\n'
)


def table() -> str:
    """The jobs as an HTML table."""
    rows = "".join(ROW.format(**job, steps=jobs.STEPS) for job in jobs.recent(store))
    return f'<table><tr><th>Job<th>Name<th>State<th width="50%">Progress\n{rows}</table>'


class Handler(BaseHTTPRequestHandler):
    """`GET /` is the page, `GET /jobs` its table, `POST /jobs` adds a job."""

    def do_GET(self) -> None:
        try:
            if self.path == "/":
                self.answer(200, PAGE % table())
            elif self.path == "/jobs":
                self.answer(200, table())
            else:
                self.answer(404, "Not found")
        except redis.ConnectionError:
            self.answer(503, "Redis does not answer")

    def do_POST(self) -> None:
        if self.path != "/jobs":
            return self.answer(404, "Not found")
        try:
            number = jobs.enqueue(store, "button")
        except redis.ConnectionError:
            return self.answer(503, "Redis does not answer")
        print(f"added job {number}", flush=True)
        return self.answer(303, "", location="/")

    def answer(self, status: int, text: str, **headers: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Says nothing: the page asks twice a second."""


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
store = jobs.connect()
port = int(os.environ.get("PORT", "5000"))
with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
    print(f"open http://127.0.0.1:{port}/", flush=True)
    print(f"added job {jobs.enqueue(store, 'welcome')}", flush=True)
    server.serve_forever()
