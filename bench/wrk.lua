-- Sends the requests of $LOAD_PLAN (method TAB path TAB body) in turn, for ever; each thread has
-- its own share, so that two threads are never on the same session. Prints one LOAD line.
local started = 0
function setup(thread)
  thread:set("number", started)
  started = started + 1
end

function init()
  requests, at = {}, 0
  local threads, line_number = tonumber(os.getenv("LOAD_THREADS")), 0
  local headers = { ["Content-Type"] = "application/json" }
  for line in io.lines(os.getenv("LOAD_PLAN")) do
    if line_number % threads == number then
      local method, path, body = line:match("^([^\t]*)\t([^\t]*)\t(.*)$")
      requests[#requests + 1] = wrk.format(method, path, headers, body ~= "" and body or nil)
    end
    line_number = line_number + 1
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency)
  local e = summary.errors
  local failed = e.status + e.connect + e.read + e.write + e.timeout
  local succeeded = summary.requests - e.status
  io.write(string.format(
    '\nLOAD {"rate":%.2f,"p50":%.3f,"p99":%.3f,"requests":%d,"errors":%d}\n',
    succeeded / (summary.duration / 1e6), latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3, succeeded, failed))
end
