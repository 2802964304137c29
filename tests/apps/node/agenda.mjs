// An Agenda worker that ends its jobs at TERM, as its manual has it; with two numbers it puts jobs in: node agenda.mjs 3 2.5
import { RedisBackend } from "@agendajs/redis-backend";
import { Agenda } from "agenda";
import jobs from "./jobs.js";

const address = process.env[process.env.REDIS_PROVIDER];
const agenda = new Agenda({ backend: new RedisBackend({ connectionString: address }), processEvery: 200 });
agenda.define("job", (job) => jobs.body(job.attrs.data), { concurrency: 3 });

const [count, seconds] = process.argv.slice(2).map(Number);
if (count) {
  await agenda.ready;
  for (let n = 0; n < count; n++) await agenda.now("job", { n, seconds });
  process.exit(0);
}
process.on("SIGTERM", async () => {
  await agenda.drain(); // waits for its jobs; stop() does not
  process.exit(0);
});
await agenda.start();
