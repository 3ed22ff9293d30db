// SPDX-License-Identifier: Apache-2.0
// `create` creates a secret where none is.
import { toPutBody } from "../agent/agent-api-calls.ts";
import { command } from "../arguments.ts";
import { CommandFailed } from "../exit-codes.ts";
import { noValue, readMetadata, readValues, VALUE_OPTIONS } from "../input/values.ts";
import { reportWrite, showPlan, WRITE_OPTIONS } from "../write-flow.ts";

export const create = command({
  name: "create",
  summary: "write a new secret to the token",
  operands: [{ name: "NAME", required: true }],
  options: { ...VALUE_OPTIONS, ...WRITE_OPTIONS },
  notes: [
    'printf %s "$PASSWORD" | kubectl hsm create database --from-file password=-',
    "kubectl hsm create database --from-file .env --from-file ca.crt",
  ],
  async run(context, { options, operands: [name = ""] }) {
    const path = await context.pathOf(name, options.path);
    const metadata = readMetadata(options);
    const data = await readValues(context, options);
    if (data.size === 0) noValue();
    const exists = `${path} exists already: use update, or delete it first`;
    const agent = await context.agent("write");
    if (options.diff || options["dry-run"]) {
      if ((await agent.read(path)) !== undefined) throw new CommandFailed("conflict", exists);
      const shown = await showPlan(context, options, { path, before: undefined, after: data, metadata });
      if (!shown.write) return shown.exit;
    }
    const answer = await agent.put(path, toPutBody(data, metadata), { ifNoneMatch: "*" });
    if (!answer.ok && answer.code === "PRECONDITION_FAILED") throw new CommandFailed("conflict", exists);
    return reportWrite(context, path, answer);
  },
});
