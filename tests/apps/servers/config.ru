# The same slow answer for puma and unicorn.
$stdout.sync = true
ANSWER = "x" * 1000 + "done"
run lambda { |env|
  puts "begun #{env["PATH_INFO"]}"
  sleep 2 if env["PATH_INFO"] == "/slow"
  [200, { "Content-Type" => "text/plain", "Content-Length" => ANSWER.size.to_s }, [ANSWER]]
}
