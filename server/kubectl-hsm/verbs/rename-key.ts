// SPDX-License-Identifier: Apache-2.0
// `rename-key` renames one key of a secret in one write.
import { toPatchBody } from "../agent/agent-api-calls.ts";
import { command } from "../arguments.ts";
import { CommandFailed } from "../exit-codes.ts";
import { isKeyForBoth, KEY_RULE } from "../input/secret-keys.ts";
import { reportWrite } from "../write-flow.ts";

export const renameKey = command({
  name: "rename-key",
  summary: "give a key of a secret another name",
  operands: [
    { name: "NAME", required: true, completes: "secret" },
    { name: "OLD", required: true },
    { name: "NEW", required: true },
  ],
  options: {
    path: { type: "boolean", help: "NAME is a whole path, not one below secrets/NAMESPACE/" },
  },
  async run(context, { options, operands: [name = "", old = "", renamed = ""] }) {
    const path = await context.pathOf(name, options.path);
    if (!isKeyForBoth(renamed)) throw new CommandFailed("usage", `NEW ${KEY_RULE}`);
    if (old === renamed) throw new CommandFailed("usage", "OLD and NEW are the same");
    const agent = await context.agent("write");
    const secret = await agent.read(path);
    if (secret === undefined) throw new CommandFailed("absent", `there is nothing at ${path}`);
    const value = secret.data.get(old);
    if (value === undefined) throw new CommandFailed("absent", `${path} has no key of the old name`);
    if (secret.data.has(renamed)) {
      throw new CommandFailed("conflict", `${path} has a key ${renamed} already; nothing was changed`);
    }
    const body = toPatchBody(
      new Map([
        [old, null],
        [renamed, value],
      ]),
    );
    const answer = await agent.patch(path, body, { ifMatch: secret.checksum });
    if (!answer.ok && answer.code === "PRECONDITION_FAILED") {
      throw new CommandFailed("conflict", `${path} was changed meanwhile; nothing was renamed`);
    }
    return reportWrite(context, path, answer);
  },
});
