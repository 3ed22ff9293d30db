// SPDX-License-Identifier: Apache-2.0
// Serves GET /v1/info, POST /v1/refresh and GET /v1/devices: the token that the agent serves, and the USB devices of its node.
import type { FastifyReply } from "fastify";
import { DeviceInfo, DeviceListBody, type UsbDevice } from "../../agent-api/schema.ts";
import { ErrorBody } from "../../http/error-body.ts";
import type { KeyswitchServer } from "../../http/instance.ts";
import { listUsbDevices } from "../../usb/usb-devices.ts";
import type { AgentMetrics } from "../metrics.ts";
import type { SecretStore } from "../store.ts";
import { startAudit } from "./audit.ts";
import { sendUnavailable } from "./secret-routes.ts";

export type DeviceRouteOptions = {
  store: SecretStore;
  metrics: AgentMetrics;
  device: string;
  node: string;
  sysfsRoot: string;
  /** Whether there is a bearer token that may write. */
  writable: boolean;
};

const shownDevices = async (sysfsRoot: string): Promise<UsbDevice[]> =>
  (await listUsbDevices(sysfsRoot)).map(({ port, vendorId, productId, serial, type }) => ({
    bus: port,
    vendorId,
    productId,
    serial,
    type,
  }));

/** Adds the three routes. */
export const addDeviceRoutes = (app: KeyswitchServer, options: DeviceRouteOptions): void => {
  const { store, metrics, device, node, sysfsRoot, writable } = options;
  /** Answers with what is known of the token. */
  const sendInfo = async (reply: FastifyReply, audit: ReturnType<typeof startAudit>, outcome: string) => {
    const result = await store.info();
    if (result.kind === "unavailable") {
      audit({ outcome: result.code });
      return sendUnavailable(reply, result);
    }
    audit({ outcome });
    const { kind: _, ...info } = result;
    return reply.send({ device, node, ...info, writable });
  };
  const schema = { response: { 200: DeviceInfo, "5xx": ErrorBody } };
  app.get("/v1/info", { config: { scope: "read" }, schema }, async (request, reply) =>
    sendInfo(reply, startAudit(request, metrics, "info"), "info"),
  );
  app.post("/v1/refresh", { config: { scope: "read" }, schema }, async (request, reply) => {
    const audit = startAudit(request, metrics, "refresh");
    const result = await store.refresh();
    if (result.kind === "refreshed") return sendInfo(reply, audit, "refreshed");
    audit({ outcome: result.code });
    return sendUnavailable(reply, result);
  });
  app.get(
    "/v1/devices",
    { config: { scope: "read" }, schema: { response: { 200: DeviceListBody } } },
    async () => ({ node, devices: await shownDevices(sysfsRoot) }),
  );
};
