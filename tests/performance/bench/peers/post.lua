-- Posts a file as a form, as `curl -F frame=@FILE` does; the last line is what was measured, as JSON.
function init(args)
  local file = assert(io.open(args[1], "rb"))
  local boundary = "----smoke-bvm-bench"
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "multipart/form-data; boundary=" .. boundary
  wrk.body = "--" .. boundary .. "\r\nContent-Disposition: form-data; name=\"frame\"; filename=\"frame.jpg\"\r\n"
    .. "Content-Type: image/jpeg\r\n\r\n" .. file:read("*a") .. "\r\n--" .. boundary .. "--\r\n"
  file:close()
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"answers": %d, "seconds": %f, "refused": %d, "broken": %d, "p50_s": %f, "p99_s": %f}\n',
    summary.requests, summary.duration / 1e6, errors.status, errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50) / 1e6, latency:percentile(99) / 1e6))
end
