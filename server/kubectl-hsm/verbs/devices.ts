// SPDX-License-Identifier: Apache-2.0
// `devices`: what the agent's node sees on USB.
import { command } from "../arguments.ts";
import { table } from "../output.ts";

export const devices = command({
  name: "devices",
  summary: "list the USB devices that the agent's node sees",
  operands: [],
  options: {},
  async run(context) {
    const body = await (await context.agent("read")).devices();
    await context.output.result(
      body,
      table(
        ["NODE", "BUS", "ID", "TYPE", "SERIAL"],
        body.devices.map(({ bus, vendorId, productId, type, serial }) => [
          body.node,
          bus,
          `${vendorId}:${productId}`,
          type ?? "",
          serial ?? "",
        ]),
      ),
    );
    return "done";
  },
});
