// SPDX-License-Identifier: Apache-2.0
// `mirror adopt` makes a token with secrets of its own a member of a set of HSMs.
import { isNamespace, isObjectName } from "../../../hooks/formats.ts";
import { bodyOf } from "../agent/answer.ts";
import { command } from "../arguments.ts";
import { CommandFailed } from "../exit-codes.ts";

export const mirrorAdopt = command({
  name: "mirror adopt",
  summary: "make a token with secrets of its own a member of a set of HSMs",
  operands: [],
  options: {
    set: { type: "string", value: "NAMESPACE/NAME", help: "the HSMDevice whose set it joins" },
  },
  notes: ["A blank token joins by itself. What the set holds otherwise is shown by mirror diff then."],
  async run(context, { options: { set } }) {
    const [namespace = "", name = "", ...more] = set?.split("/") ?? [];
    if (set === undefined || more.length > 0 || !isNamespace(namespace) || !isObjectName(name)) {
      throw new CommandFailed("usage", "--set must be the HSMDevice as NAMESPACE/NAME");
    }
    const done = bodyOf(await (await context.agent("write")).adopt(set), "the token");
    await context.output.result(done, [`${done.device} is a member of ${done.set}, epoch ${done.epoch}`]);
    return "done";
  },
});
