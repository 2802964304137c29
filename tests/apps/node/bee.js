// A Bee-Queue worker that closes at TERM, as its manual has it; with two numbers it puts jobs in: node bee.js 3 2.5
const Queue = require("bee-queue");
const { body, connection } = require("./jobs");

async function enqueue(count, seconds) {
  const queue = new Queue("demo", { redis: connection, isWorker: false });
  await queue.saveAll([...Array(count).keys()].map((n) => queue.createJob({ n, seconds })));
  await queue.close();
  process.exit(0);
}

function work() {
  const queue = new Queue("demo", { redis: connection });
  queue.process(3, (job) => body(job.data));
  process.on("SIGTERM", async () => {
    await queue.close(30000); // waits for its jobs
    process.exit(0);
  });
}

const [count, seconds] = process.argv.slice(2).map(Number);
if (count) enqueue(count, seconds);
else work();
