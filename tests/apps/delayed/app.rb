# A delayed_job app without Rails: its queue is an SQLite file in the folder, its jobs are recorded in Redis.
require "json"
require "active_record"
require "delayed_job_active_record"
require "redis"

$stdout.sync = true
ActiveRecord::Base.logger = nil
ActiveRecord::Base.establish_connection(adapter: "sqlite3", database: "jobs.sqlite3", timeout: 20_000)
Delayed::Worker.logger = Logger.new($stdout)
Delayed::Worker.sleep_delay = 1
Delayed::Worker.raise_signal_exceptions = ENV.key?("RAISE_SIGNALS") ? :term : false

SleepJob = Struct.new(:n, :seconds) do
  def perform
    record("start")
    sleep seconds
    record("done")
  end

  def record(event)
    url = ENV[ENV["REDIS_PROVIDER"]]
    Redis.new(url: url).rpush("demo:events", JSON.generate(event: event, n: n, pid: Process.pid))
  end
end
