// SPDX-License-Identifier: Apache-2.0
// `list`: the secrets of a namespace, or of the whole token, without values.
import { command } from "../arguments.ts";
import { table } from "../output.ts";

export const list = command({
  name: "list",
  summary: "list the secrets of the namespace, or with -A all",
  operands: [],
  options: {
    "all-namespaces": { type: "boolean", short: "A", help: "everything on the token, by whole paths" },
  },
  async run(context, { options }) {
    const prefix = options["all-namespaces"] ? "" : `secrets/${await context.namespace()}/`;
    const agent = await context.agent("read");
    const secrets = (await agent.list(prefix)).map((row) => ({
      name: row.path.slice(prefix.length),
      ...row,
    }));
    if (secrets.length === 0 && context.output.format === "text") {
      await context.output.note(
        prefix === "" ? "The token holds no secret." : `There is no secret at ${prefix}.`,
      );
      return "done";
    }
    await context.output.result(
      { secrets: prefix === "" ? secrets.map(({ name: _, ...row }) => row) : secrets },
      table(
        [prefix === "" ? "PATH" : "NAME", "KEYS", "BYTES", "VERSION", "LAYOUT"],
        secrets.map(({ name, keys, bytes, version, layout }) => [
          name,
          keys.join(","),
          String(bytes),
          String(version),
          layout ?? "",
        ]),
      ),
    );
    return "done";
  },
});
