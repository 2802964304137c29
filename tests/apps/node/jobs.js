// One job that records in Redis how it starts and ends, for BullMQ and Bee-Queue: as jobs.py does for Python's queues.
const Redis = require("ioredis");

const url = process.env[process.env.REDIS_PROVIDER];
const redis = new Redis(url, { maxRetriesPerRequest: null });

const record = (event, n) => redis.rpush("demo:events", JSON.stringify({ event, n, pid: process.pid }));

async function body({ n, seconds }) {
  await record("start", n);
  await new Promise((done) => setTimeout(done, seconds * 1000));
  await record("done", n);
}

const { hostname: host, port, pathname } = new URL(url);
const connection = { host, port: Number(port), db: Number(pathname.slice(1)) };

module.exports = { body, connection };
