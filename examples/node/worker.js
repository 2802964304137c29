import { once } from "node:events"
import { watch } from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"

import { folder, giveBack, move, save, STEPS, stepOf, take } from "./reports.js"

const ME = process.env.PS ?? "worker.1"
const STEP_MS = Number(process.env.STEP_SECONDS ?? 0.5) * 1000

async function write(name, signal) {
  for (let step = stepOf(name, ME) + 1; step <= STEPS; step++) {
    await sleep(STEP_MS, undefined, { signal })
    save(name, ME, step)
    console.log(`report ${name}: step ${step} of ${STEPS}`)
  }
  move(name, ME, "done")
  console.log(`report ${name}: done`)
}

const stop = new AbortController()
for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => stop.abort())

const queue = watch(folder("queued"), { signal: stop.signal })
giveBack(ME) // left by a worker that was killed
console.log("waiting for reports to write")
try {
  for (;;) {
    const name = take(ME)
    if (name) await write(name, stop.signal)
    else await once(queue, "change", { signal: stop.signal })
  }
} catch (error) {
  if (error.name !== "AbortError") throw error
} finally {
  giveBack(ME) // the steps that are done stay done
}
