// SPDX-License-Identifier: Apache-2.0
// `version` prints the version of kubectl hsm itself, without a connection.
import { command } from "../arguments.ts";
import { packageVersion } from "../package-version.ts";

export const version = command({
  name: "version",
  summary: "print the version of kubectl hsm",
  operands: [],
  options: {},
  async run(context) {
    const [keyswitch, node] = [packageVersion(), process.versions.node];
    await context.output.result({ version: keyswitch, node }, [`kubectl hsm ${keyswitch} (Node.js ${node})`]);
    return "done";
  },
});
