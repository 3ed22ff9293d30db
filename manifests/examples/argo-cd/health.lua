-- SPDX-License-Identifier: Apache-2.0
-- The health of a Toggle, an HSMSecret or an HSMDevice for Argo CD. Their conditions follow kstatus: Stalled, Ready, Reconciling.
local status = obj.status
if status == nil or status.conditions == nil then
  return { status = "Progressing", message = "Keyswitch has not seen it yet" }
end
if status.observedGeneration ~= nil and status.observedGeneration ~= obj.metadata.generation then
  return { status = "Progressing", message = "Keyswitch has not seen its spec as it is now yet" }
end
local found = {}
for _, condition in ipairs(status.conditions) do
  found[condition.type] = condition
end
local stalled, ready = found.Stalled, found.Ready
if stalled ~= nil and stalled.status == "True" then
  return { status = "Degraded", message = stalled.message }
end
if ready ~= nil and ready.status == "True" then
  return { status = "Healthy", message = ready.message }
end
return { status = "Progressing", message = ready ~= nil and ready.message or "Keyswitch is at work" }
