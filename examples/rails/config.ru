require_relative "config/environment"

run Web
