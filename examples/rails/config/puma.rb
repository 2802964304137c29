bind "tcp://127.0.0.1:#{ENV.fetch("PORT", 3000)}"
threads 1, 5
force_shutdown_after 7 # a request may end, but inside the ten seconds of a stop: `procrun check` has said so
