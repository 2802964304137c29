class Report < ActiveRecord::Base
  STEPS = 10

  after_create_commit { ReportJob.perform_async(id) }
end
