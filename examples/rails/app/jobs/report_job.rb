# Writes a report in ten steps. A stop may come at any of them: the job goes on from the step it has reached.
class ReportJob
  include Sidekiq::Job

  STEP_SECONDS = Float(ENV.fetch("STEP_SECONDS", 0.5))

  def perform(id)
    report = Report.find(id)
    report.update!(state: "running")
    while report.step < Report::STEPS
      sleep STEP_SECONDS
      report.update!(step: report.step + 1)
      logger.info "report #{id}: step #{report.step} of #{Report::STEPS}"
    end
    report.update!(state: "done")
    logger.info "report #{id}: done"
  rescue Sidekiq::Shutdown # the 6 seconds of `-t 6` are over, and the job is in Redis again
    report.update!(state: "queued")
    logger.info "report #{id}: back in the queue"
    raise
  end
end
