-- A post of ordinary size, another title each time.
local n = 0
local content = "<p>" .. string.rep("Bring a packed lunch and a coat. ", 6) .. "</p>"
request = function()
  n = n + 1
  local body = string.format('{"title":"Trip %d","content":"%s","tags":["trip"],"audience":["school"]}', n, content)
  return wrk.format("POST", nil, { ["Content-Type"] = "application/json", ["Authorization"] = wrk.headers["Authorization"] }, body)
end
