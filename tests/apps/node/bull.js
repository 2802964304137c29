// A BullMQ worker that closes at the signals its arguments name, and at no other: node bull.js SIGINT
// With a number as its first argument it puts so many jobs in instead: node bull.js 3 2.5
const { Queue, Worker } = require("bullmq");
const { body, connection } = require("./jobs");

async function enqueue(count, seconds) {
  const queue = new Queue("demo", { connection });
  await queue.addBulk([...Array(count).keys()].map((n) => ({ name: "job", data: { n, seconds } })));
  await queue.close();
  process.exit(0);
}

function work(signals) {
  const worker = new Worker("demo", (job) => body(job.data), { connection, concurrency: 3 });
  for (const signal of signals) {
    process.on(signal, async () => {
      await worker.close(); // waits for its jobs
      process.exit(0);
    });
  }
}

const [first, second] = process.argv.slice(2);
if (Number(first)) enqueue(Number(first), Number(second));
else work(process.argv.slice(2));
