// SPDX-License-Identifier: Apache-2.0
// `update` sets keys of an existing secret, or replaces it.
import { toPatchBody, toPutBody } from "../agent/agent-api-calls.ts";
import type { Refused } from "../agent/answer.ts";
import { command } from "../arguments.ts";
import { CommandFailed } from "../exit-codes.ts";
import { noValue, readMetadata, readValues, VALUE_OPTIONS } from "../input/values.ts";
import { reportWrite, showPlan, WRITE_OPTIONS } from "../write-flow.ts";

export const update = command({
  name: "update",
  summary: "set keys of a secret, and leave its others",
  operands: [{ name: "NAME", required: true, completes: "secret" }],
  options: {
    ...VALUE_OPTIONS,
    replace: { type: "boolean", help: "remove the keys that are not given" },
    ...WRITE_OPTIONS,
  },
  notes: [
    "kubectl hsm update database --from-file password=new.txt --diff",
    "kubectl hsm update database --from-file .env --diff --dry-run     # exits 1 where it differs",
  ],
  async run(context, { options, operands: [name = ""] }) {
    const path = await context.pathOf(name, options.path);
    const metadata = readMetadata(options);
    const data = await readValues(context, options);
    if (data.size === 0 && (metadata === undefined || options.replace)) noValue();
    const agent = await context.agent("write");
    // Whole, or key by key: without a look at it first, whatever it is now is what is changed.
    let condition: { ifMatch?: string } = options.replace ? { ifMatch: "*" } : {};
    if (options.diff || options["dry-run"]) {
      const before = await agent.read(path);
      if (before === undefined) throw absentAt(path);
      const after = options.replace ? data : new Map([...before.data, ...data]);
      const shown = await showPlan(context, options, { path, before, after, metadata });
      if (!shown.write) return shown.exit;
      condition = { ifMatch: before.checksum };
    }
    const answer = options.replace
      ? await agent.put(path, toPutBody(data, metadata), condition)
      : await agent.patch(path, toPatchBody(data, metadata), condition);
    if (!answer.ok) checkRefusal(answer, path, condition);
    return reportWrite(context, path, answer);
  },
});

const absentAt = (path: string): CommandFailed =>
  new CommandFailed("absent", `there is nothing at ${path}: use create`);

/** @throws CommandFailed where the secret is not there, or is not what was shown. */
const checkRefusal = ({ code }: Refused, path: string, { ifMatch }: { ifMatch?: string }): void => {
  if (code === "SECRET_NOT_FOUND" || (code === "PRECONDITION_FAILED" && ifMatch === "*")) {
    throw absentAt(path);
  }
  if (code === "PRECONDITION_FAILED") {
    throw new CommandFailed("conflict", `${path} was changed after it was shown; nothing was written`);
  }
};
