// SPDX-License-Identifier: Apache-2.0
// `list` lists the secrets of a namespace, or of the whole token, without values.
import type { ObjectProblem } from "../../agent-api/schema.ts";
import { command } from "../arguments.ts";
import type { Context } from "../context.ts";
import type { ExitName } from "../exit-codes.ts";
import { table } from "../output.ts";

export const list = command({
  name: "list",
  summary: "list the secrets of the namespace, or with -A all",
  operands: [],
  options: {
    invalid: { type: "boolean", help: "what is on the token and can't be a secret, in place of the secrets" },
    "all-namespaces": { type: "boolean", short: "A", help: "everything on the token, by whole paths" },
  },
  async run(context, { options }) {
    const prefix = options["all-namespaces"] ? "" : `secrets/${await context.namespace()}/`;
    const agent = await context.agent("read");
    if (options.invalid) return listInvalid(context, (await agent.listAll(prefix)).invalid ?? []);
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

const PROBLEMS: Readonly<Record<ObjectProblem["problem"], string>> = {
  label: "the label can't be a key",
  public: "anybody can have made it without the PIN",
  content: "can't be understood",
};

/** Labels are quoted: what is wrong with one may not be visible. */
const listInvalid = async ({ output }: Context, invalid: readonly ObjectProblem[]): Promise<ExitName> => {
  if (invalid.length === 0 && output.format === "text") {
    await output.note("Nothing is invalid.");
    return "done";
  }
  await output.result(
    { invalid },
    table(
      ["LABEL", "SECRET", "PROBLEM"],
      invalid.map(({ label, path, problem }) => [JSON.stringify(label), path ?? "", PROBLEMS[problem]]),
    ),
  );
  return "done";
};
