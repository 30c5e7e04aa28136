-- wrk: asks the bodies of a file, one a line, in a cycle; prints what happened as JSON.
-- With a second argument each connection pauses for so many milliseconds, in the mean, in between.
local requests, last = {}, 0

function init(args)
  local headers = { ["Content-Type"] = "application/json" }
  for body in io.lines(args[1]) do
    requests[#requests + 1] = wrk.format("POST", nil, headers, body)
  end
  local pause_ms = tonumber(args[2])
  if pause_ms > 0 then
    function delay() return math.random(0, 2 * pause_ms) end
  end
end

function request()
  last = last % #requests + 1
  return requests[last]
end

function done(summary, latency)
  local errors = summary.errors
  print(string.format(
    '\n{"requests":%d,"seconds":%.6f,"p50_ms":%.3f,"p99_ms":%.3f,"not_200":%d,"broken":%d}',
    summary.requests, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout
  ))
end
