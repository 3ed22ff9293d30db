// SPDX-License-Identifier: Apache-2.0
// GET /v1/info and GET /v1/devices: the token that the agent serves, and what else its node sees on USB.
import { DeviceInfo, DeviceListBody, ErrorBody } from "../../agent-api.ts";
import type { KeyswitchServer } from "../../http/instance.ts";
import type { AgentMetrics } from "../metrics.ts";
import type { SecretStore } from "../store.ts";
import { listUsbDevices } from "../usb-devices.ts";
import { startAudit } from "./audit.ts";
import { sendUnavailable } from "./secret-routes.ts";

export type DeviceRouteOptions = {
  store: SecretStore;
  metrics: AgentMetrics;
  device: string;
  node: string;
  sysfsRoot: string;
};

/** Adds the two routes. */
export const addDeviceRoutes = (app: KeyswitchServer, options: DeviceRouteOptions): void => {
  const { store, metrics, device, node, sysfsRoot } = options;
  app.get(
    "/v1/info",
    { config: { scope: "read" }, schema: { response: { 200: DeviceInfo, "5xx": ErrorBody } } },
    async (request, reply) => {
      const audit = startAudit(request, metrics, "info");
      const result = await store.info();
      if (result.kind === "unavailable") {
        audit({ outcome: result.code });
        return sendUnavailable(reply, result);
      }
      audit({ outcome: "info" });
      const { kind: _, ...info } = result;
      return { device, node, ...info };
    },
  );
  app.get(
    "/v1/devices",
    { config: { scope: "read" }, schema: { response: { 200: DeviceListBody } } },
    async () => ({ node, devices: await listUsbDevices(sysfsRoot) }),
  );
};
