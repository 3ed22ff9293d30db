// SPDX-License-Identifier: Apache-2.0
// `delete` deletes a secret, or one key of it, after a confirmation.
import type { StoredSecret } from "../agent/agent-api-calls.ts";
import { bodyOf } from "../agent/answer.ts";
import { command } from "../arguments.ts";
import { CommandFailed } from "../exit-codes.ts";
import { confirm } from "../input/terminal.ts";

export const deleteSecret = command({
  name: "delete",
  summary: "delete a secret, or one key of it",
  operands: [{ name: "NAME", required: true, completes: "secret" }],
  options: {
    key: {
      type: "string",
      short: "k",
      value: "KEY",
      help: "delete this key alone; the secret goes with its last",
    },
    yes: { type: "boolean", short: "y", help: "do not ask; needed where there is no terminal" },
    path: { type: "boolean", help: "NAME is a whole path, not one below secrets/NAMESPACE/" },
  },
  async run(context, { options, operands: [name = ""] }) {
    const path = await context.pathOf(name, options.path);
    const { key } = options;
    if (!options.yes && context.terminal() === undefined) {
      throw new CommandFailed("usage", "there is no terminal to ask at: --yes says that you are sure");
    }
    const agent = await context.agent("write");
    let condition: { ifMatch?: string } = {};
    if (!options.yes) {
      const secret = await agent.read(path);
      if (secret === undefined) throw new CommandFailed("absent", `there is nothing at ${path}`);
      await confirm(context.terminal(), questionOf(secret, key));
      condition = { ifMatch: secret.checksum };
    }
    const answer =
      key === undefined ? await agent.delete(path, condition) : await agent.deleteKey(path, key, condition);
    if (!answer.ok && answer.code === "PRECONDITION_FAILED") {
      throw new CommandFailed("conflict", `${path} was changed after it was shown; nothing was deleted`);
    }
    const body = bodyOf(answer, path);
    await context.output.result(key === undefined ? body : { ...body, key }, [
      body.outcome === "deleted"
        ? `${path} deleted from ${body.device}`
        : `the key ${key} of ${path} deleted from ${body.device}`,
    ]);
    return "done";
  },
});

/** What is asked before the secret, or `key` of it, goes. @throws CommandFailed where it has no such key. */
const questionOf = ({ path, data, device }: StoredSecret, key: string | undefined): string => {
  if (key === undefined) return `Delete ${path} with ${[...data.keys()].sort().join(", ")} from ${device}?`;
  if (!data.has(key)) throw new CommandFailed("absent", `${path} has no such key`);
  const last = data.size === 1 ? ", its last: the secret goes with it" : "";
  return `Delete the key ${key} of ${path} from ${device}${last}?`;
};
