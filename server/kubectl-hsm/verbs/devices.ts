// SPDX-License-Identifier: Apache-2.0
// `devices` lists the USB devices of every node from discovery, or of the agent's node where there is none.
import { command } from "../arguments.ts";
import type { Context } from "../context.ts";
import type { NodeReading } from "../discovery/all-nodes.ts";
import type { ExitName } from "../exit-codes.ts";
import { table } from "../output.ts";

export const devices = command({
  name: "devices",
  summary: "list the USB devices of all nodes, or of the agent's node",
  operands: [],
  options: {},
  notes: [
    "With discovery installed it asks the discovery of every node. Without, and with --agent or --server, it asks the",
    "agent what its own node has.",
  ],
  async run(context, { options }) {
    const { config, kubectl } = context;
    if (config.target.kind === "direct" || options.agent !== undefined) return ofAgent(context);
    const { readAllNodes } = await import("../discovery/all-nodes.ts");
    const readings = await readAllNodes(config, kubectl);
    return readings === undefined ? ofAgent(context) : ofNodes(context, readings);
  },
});

const ofAgent = async (context: Context): Promise<ExitName> => {
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
};

const ofNodes = async ({ output }: Context, readings: readonly NodeReading[]): Promise<ExitName> => {
  const nodes = readings.flatMap((reading) => (reading.ok ? [reading.body] : []));
  const failures = readings.flatMap((reading) =>
    reading.ok ? [] : [{ node: reading.node, message: reading.message }],
  );
  const paths = nodes.flatMap(({ node, paths }) =>
    paths.map(({ path, permissions }) => [node, path, permissions]),
  );
  await output.result({ nodes, failures }, [
    ...table(
      ["NODE", "ID", "TYPE", "PORT", "USB", "SERIAL", "FAULT"],
      nodes
        .flatMap((one) => one.devices)
        .map(({ node, id, type, port, vendorId, productId, serialNumber, fault }) => [
          ...[node, id, type ?? "", port, `${vendorId}:${productId}`],
          ...[serialNumber ?? "", fault ?? ""],
        ]),
    ),
    ...(paths.length === 0 ? [] : ["", ...table(["NODE", "PATH", "PERMISSIONS"], paths)]),
  ]);
  for (const { node, message } of failures) await output.note(`error: ${node}: ${message}`);
  if (failures.length === 0) return "done";
  return nodes.length === 0 ? "unreachable" : "partial";
};
