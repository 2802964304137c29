import { createServer } from "node:http"

import { enqueue, recent } from "./reports.js"

const page = () => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="refresh" content="1">
<title>procrun: Node example</title>
<h1>Reports</h1>
<form method="post" action="/reports"><button>Write a report</button></form>
<ul>
${recent().map(({ name, state }) => `  <li>report ${name}: ${state}`).join("\n")}
</ul>
`

const routes = {
  "GET /": response => response.setHeader("Content-Type", "text/html; charset=utf-8").end(page()),
  "GET /up": response => response.end("OK"),
  "POST /reports": response => {
    console.log(`report ${enqueue()}: queued`)
    response.writeHead(303, { Location: "/" }).end()
  },
}

const server = createServer((request, response) => {
  const answer = routes[`${request.method} ${request.url}`]
  if (answer) answer(response)
  else response.writeHead(404).end("Not found")
})

const port = Number(process.env.PORT ?? 3000)
server.listen(port, "127.0.0.1", () => console.log(`open http://127.0.0.1:${port}/`))

for (const signal of ["SIGTERM", "SIGINT"]) {
  process.once(signal, () => {
    server.close() // requests in flight are answered
    server.closeIdleConnections()
  })
}
