// SPDX-License-Identifier: Apache-2.0
// `mirror sync` has the agent reload its token, and triggers a sync of the HSMSecrets.
import { isObjectName } from "../../../hooks/formats.ts";
import { FORCE_SYNC } from "../../../hooks/hsmsecret/schema.ts";
import { command } from "../arguments.ts";
import { CommandFailed } from "../exit-codes.ts";

export const mirrorSync = command({
  name: "mirror sync",
  summary: "read the token anew, and have HSMSecrets follow at once",
  operands: [{ name: "HSMSECRET", required: false }],
  options: {
    "all-namespaces": { type: "boolean", short: "A", help: "the HSMSecrets of all namespaces" },
    "agent-only": {
      type: "boolean",
      help: "read the token anew, and leave the HSMSecrets to their interval",
    },
  },
  notes: ["Without HSMSECRET, every HSMSecret of the namespace is told."],
  async run(context, { options, operands: [name] }) {
    const everywhere = options["all-namespaces"];
    if (name !== undefined && (everywhere || options["agent-only"])) {
      throw new CommandFailed("usage", "HSMSECRET goes with neither -A nor --agent-only");
    }
    if (name !== undefined && !isObjectName(name)) {
      throw new CommandFailed("usage", "HSMSECRET must be an object's name");
    }
    const scope = everywhere
      ? ["--all-namespaces"]
      : options["agent-only"]
        ? []
        : ["-n", await context.namespace()];
    if (name !== undefined && (await context.kubectl.get([KIND, name, ...scope])) === undefined) {
      throw new CommandFailed("absent", "there is no HSMSecret of that name in the namespace");
    }
    const { device, objects } = await (await context.agent("read")).refresh();
    const told: string[] = [];
    if (!options["agent-only"]) {
      // The token goes first: who follows now reads what it holds now.
      const time = new Date().toISOString();
      const printed = await context.kubectl.run([
        "annotate",
        KIND,
        ...(name === undefined ? ["--all"] : [name]),
        ...scope,
        `${FORCE_SYNC}=${time}`,
        "--overwrite",
        "-o",
        'jsonpath={.metadata.namespace}/{.metadata.name}{"\\n"}',
      ]);
      told.push(...printed.split("\n").filter((line) => line !== ""));
    }
    await context.output.result({ device, objects, hsmSecrets: told }, [
      `${device} was read anew: ${objects} objects`,
      ...told.map((one) => `${one} is told to follow`),
    ]);
    return "done";
  },
});

const KIND = "hsmsecrets.hsm.j5t.io";
