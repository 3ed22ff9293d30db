// SPDX-License-Identifier: Apache-2.0
// Implements the steps of the tour: each tries one feature of Keyswitch with kubectl and the token, and checks the result.
import { isDeepStrictEqual } from "node:util";
import { eventually } from "./local/eventually.ts";
import { plainData, readyOf, secretOf, statusOf } from "./local/hsmsecret-view.ts";
import type { Stack } from "./local/stack.ts";
import { chatStep } from "./tour-chat.ts";
import { Database, NAME, outageSteps, PATH, readSteps, repairSteps } from "./tour-database.ts";
import { ownershipSteps } from "./tour-ownership.ts";
import { setSteps } from "./tour-set.ts";
import { hsmSecret, NAMESPACE, type Step, ValuesSeen } from "./tour-step.ts";
import { toggleStep } from "./tour-toggle.ts";
import { writeBackSteps } from "./tour-write-back.ts";

/** The steps in their order; later ones build on earlier ones. Each waits `seconds` at most for a thing to come about. */
export const stepsOf = (stack: Stack, seconds: number): Step[] => {
  const { kubectl } = stack;
  const values = new ValuesSeen();
  const database = new Database(stack, seconds, values);
  return [
    ...readSteps(stack, database),
    ...repairSteps(stack, database),
    ...outageSteps(stack, database),
    ...refusalSteps(stack, seconds),
    ...ownershipSteps({
      kubectl,
      namespace: NAMESPACE,
      name: NAME,
      seconds,
      apply: (spec) => kubectl(["apply", "-f", "-"], hsmSecret(NAME, spec)),
      synced: (meanwhile) => database.settled("True Synced", meanwhile),
    }),
    ...writeBackSteps(stack, seconds, values),
    {
      title: "a Toggle switches a Deployment off, and back to the count it had",
      run: () => toggleStep(stack, seconds),
    },
    {
      title: "chat commands switch a Deployment, and their answers follow it",
      run: () => chatStep(stack, seconds),
    },
    ...(stack.hsmSet ? setSteps(kubectl, stack.hsmSet, seconds, values) : []),
    { title: "no value is in any log, status or event", run: () => silenceStep(stack, values) },
  ];
};

/** HSMSecrets that must get no Secret. */
const refusalSteps = ({ kubectl }: Stack, seconds: number): Step[] => {
  const refused = (name: string, reason: string) =>
    eventually(
      `the status says ${reason}`,
      async () => readyOf(await statusOf(kubectl, NAMESPACE, name)) === `False ${reason}`,
      { seconds },
    );
  return [
    {
      title: "somebody else's Secret is not touched",
      run: async () => {
        const literal = "--from-literal=key=theirs";
        await kubectl(["create", "-n", NAMESPACE, "secret", "generic", "theirs", literal]);
        await kubectl(["apply", "-f", "-"], hsmSecret("theirs", { hsmPath: PATH }));
        await refused("theirs", "Conflict");
        const data = plainData(await secretOf(kubectl, NAMESPACE, "theirs"));
        if (!isDeepStrictEqual(data, { key: "theirs" })) throw new Error("the foreign Secret was changed");
        return "the status says Conflict and what to do";
      },
    },
    {
      title: "another namespace's path is refused",
      run: async () => {
        await kubectl(["apply", "-f", "-"], hsmSecret("nosy", { hsmPath: "secrets/other/database" }));
        await refused("nosy", "Forbidden");
        if (await secretOf(kubectl, NAMESPACE, "nosy")) throw new Error("a Secret was made");
        return "the status says Forbidden, and no Secret is made";
      },
    },
  ];
};

/** Looks for every value that a secret had in what was logged, told and measured. */
const silenceStep = async (stack: Stack, values: ValuesSeen): Promise<string> => {
  const objects = await stack.kubectl(["get", "hsmsecrets,events", "-A", "-o", "yaml"]);
  const metrics = await Promise.all(
    (["agent", "webhook"] as const).map((role) => stack.call(role, "/metrics")),
  );
  const said = [...stack.logs(), objects, ...metrics.map(({ body }) => body)].join("\n");
  for (const one of values.all()) {
    if (said.includes(one) || said.includes(Buffer.from(one).toString("base64"))) {
      throw new Error("a secret value was printed");
    }
  }
  return `${values.all().length} values looked for in ${stack.logs().length} lines`;
};
