require "bundler/setup"
Bundler.require

$stdout.sync = true
Redis.silence_deprecations = true if Redis.respond_to?(:silence_deprecations=) # Sidekiq 6 with redis 4.8

ActiveRecord::Base.establish_connection(ENV.fetch("DATABASE_URL"))

Dir[File.join(__dir__, "../app/{models,jobs}/*.rb")].sort.each { |file| require file }
require_relative "../app/web"
