-- What wrk asks the lab's web server for. Environment: GT_MODE (nginx-conf.sh's modes), GT_DIR (paths.txt),
-- GT_SECONDS (stop asking after), GT_PAUSE_MS (of each connection between two requests).
local mode = os.getenv("GT_MODE") or "repeat"
local pause_ms = tonumber(os.getenv("GT_PAUSE_MS") or "0")
local last_second = os.time() + tonumber(os.getenv("GT_SECONDS") or "10")
local archive_bytes = tonumber(os.getenv("GT_ARCHIVE_BYTES") or "3221225472")

local paths = {}
for line in io.lines((os.getenv("GT_DIR") or ".") .. "/paths.txt") do paths[#paths + 1] = line end

local hosts = {"shop.example.com", "api.example.com", "www.example.com"}
local agents = {
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:121.0) Gecko/20100101 Firefox/121.0",
  "Mozilla/5.0 (iPhone; CPU iPhone OS 17_2 like Mac OS X) AppleWebKit/605.1.15 Version/17.2 Mobile/15E148 Safari/604.1",
  "okhttp/4.12.0", "Go-http-client/1.1", "kube-probe/1.29",
}
math.randomseed(20240229)

-- wrk counts answers. A connection that may no longer ask sleeps beyond the end of the run, so that every request is
-- answered and wrk's count is the number of requests on the wire.
function delay()
  if os.time() >= last_second then return 3600 * 1000 end
  return pause_ms
end

local archive_offset = 0
local function next_range()
  local length = math.random(400, 64000)
  local from = archive_offset % (archive_bytes - 64000)
  archive_offset = archive_offset + length
  return wrk.format("GET", string.format("/archive.bin?part=%.0f", from),
    {["Host"] = hosts[3], ["Range"] = string.format("bytes=%.0f-%.0f", from, from + length - 1)})
end

function request()
  if mode == "unique" then return next_range() end
  local headers = {
    ["Host"] = hosts[math.random(#hosts)], ["User-Agent"] = agents[math.random(#agents)], ["Accept"] = "*/*",
    ["Cookie"] = string.format("session=%08x%08x", math.random(0, 2 ^ 31 - 1), math.random(0, 2 ^ 31 - 1)),
  }
  if math.random(3) == 1 then headers["Accept-Encoding"] = "gzip" end
  local kind = math.random(100)
  if kind <= 22 then
    return wrk.format("GET", "/api/items?page=" .. math.random(1, 9000) .. "&order=" .. math.random(1, 1e6), headers)
  elseif kind <= 27 then
    headers["Content-Type"] = "application/json"
    local body = string.format('{"user":"visitor%d","password":"%d"}', math.random(1, 900), math.random(1, 1e6))
    return wrk.format("POST", "/login", headers, body)
  end
  return wrk.format("GET", paths[math.random(#paths)], headers)
end
