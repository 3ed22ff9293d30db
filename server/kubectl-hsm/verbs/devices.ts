// SPDX-License-Identifier: Apache-2.0
// `devices` lists the USB devices of the agent's node.
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
