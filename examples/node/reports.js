// A report is a file, and its folder says where it is: queued, done, or the worker that has it.
// Renaming is atomic, so at every moment it is in one of them.
import { randomUUID } from "node:crypto"
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import { join } from "node:path"

export const STEPS = 10

const DATA = process.env.DATA ?? "data"

export function folder(state) {
  const path = join(DATA, state)
  mkdirSync(path, { recursive: true })
  return path
}

const names = state => readdirSync(folder(state)).sort()

export const move = (name, from, to) => renameSync(join(folder(from), name), join(folder(to), name))

export const stepOf = (name, state) => Number(readFileSync(join(folder(state), name)))

export function save(name, state, step) {
  writeFileSync(join(folder("new"), name), `${step}`) // half a file is never seen
  move(name, "new", state)
}

export function enqueue() {
  const name = `${Date.now()}-${randomUUID().slice(0, 4)}` // in the order of time
  save(name, "queued", 0)
  return name
}

// The oldest that is queued, now in the folder of `worker`; undefined when there is none.
export function take(worker) {
  for (const name of names("queued")) {
    try {
      move(name, "queued", worker)
      return name
    } catch (error) {
      if (error.code !== "ENOENT") throw error // another worker was faster
    }
  }
}

export function giveBack(worker) {
  for (const name of names(worker)) {
    move(name, worker, "queued")
    console.log(`report ${name}: back in the queue`)
  }
}

export const recent = () =>
  readdirSync(folder("."))
    .flatMap(state => names(state).map(name => ({ name, state })))
    .sort((one, other) => (one.name < other.name ? 1 : -1))
    .slice(0, 20)
