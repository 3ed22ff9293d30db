// SPDX-License-Identifier: Apache-2.0
// Runs cases on a stack: some in parallel, each in a namespace of its own, then those that need the stack to themselves.
import { createKubeClient } from "../../scripts/control-plane/client.ts";
import type { ApplyStrategy } from "../../scripts/local/control-plane.ts";
import { eventually } from "../../scripts/local/eventually.ts";
import { KINDS } from "../../scripts/local/kinds.ts";
import type { Stack } from "../../scripts/local/stack.ts";
import { runSteps, type StepResult } from "../../scripts/tour.ts";
import type { Case } from "./case.ts";
import { createScene } from "./scene.ts";

/** Most of a case's time is waiting. */
const AT_ONCE = 6;

export type RunOptions = {
  readonly stack: Stack;
  readonly applyStrategy: ApplyStrategy;
  /** The longest that a case waits for one thing. */
  readonly seconds: number;
  /** For how long nothing may move where nothing happens. */
  readonly quietSeconds: number;
  readonly say: (line: string) => void;
};

const PREFIX = "case-";
const nameOf = (index: number): string => `${PREFIX}${index + 1}`;

const createRun = ({ stack, applyStrategy, seconds, quietSeconds }: RunOptions) => {
  const client = createKubeClient(stack.urls.api, "test");
  const values = new Set<string>();
  const runCase = async (one: Case, namespace: string): Promise<string> => {
    const created = await client.create(KINDS.Namespace, { metadata: { name: namespace } });
    if (!created.ok) throw new Error(`POST Namespace ${namespace}: HTTP ${created.status} ${created.reason}`);
    const onValue = (value: string) => values.add(value);
    try {
      await one.run(createScene({ stack, client, namespace, applyStrategy, seconds, quietSeconds, onValue }));
      return namespace;
    } finally {
      await client.remove(KINDS.Namespace, { name: namespace });
    }
  };
  /** What is left of earlier cases is still finalized, which a case that counts hooks would see. */
  const othersGone = async (): Promise<void> => {
    const check = async () => {
      const listed = await client.list(KINDS.Namespace);
      return listed.ok && !listed.value.items.some(({ metadata }) => metadata.name?.startsWith(PREFIX));
    };
    await eventually("the namespaces of earlier cases are gone", check, { seconds });
  };
  return { client, values, runCase, othersGone };
};

/** Looks for each value that the cases have made in all that was logged, and in events and statuses. */
const searchLeaks = async (stack: Stack, values: ReadonlySet<string>): Promise<string> => {
  const objects = await stack.kubectl(["get", "hsmsecrets,events", "-A", "-o", "yaml"]);
  const said = [...stack.logs(), objects].join("\n");
  for (const value of values) {
    if (said.includes(value) || said.includes(Buffer.from(value).toString("base64"))) {
      throw new Error("a secret value was printed");
    }
  }
  return `${values.size} values looked for in ${stack.logs().length} lines`;
};

/** Runs all of `cases`, and answers with what came of each, in their order, and of the search for printed values. */
export const runCases = async (cases: readonly Case[], options: RunOptions): Promise<StepResult[]> => {
  const run = createRun(options);
  const results = new Map<Case, StepResult>();
  const work = async (one: Case): Promise<void> => {
    const tried = async (): Promise<string> => {
      if (one.alone) await run.othersGone();
      return run.runCase(one, nameOf(cases.indexOf(one)));
    };
    const step = { title: one.title, run: tried };
    for (const result of await runSteps([step], options.say)) results.set(one, result);
  };
  try {
    const together = cases.filter(({ alone }) => !alone);
    const lane = async (): Promise<void> => {
      for (let one = together.shift(); one !== undefined; one = together.shift()) await work(one);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, lane));
    for (const one of cases) if (one.alone) await work(one);
    const search = {
      title: "no value of a case is in any log, status or event",
      run: () => searchLeaks(options.stack, run.values),
    };
    const searched = await runSteps([search], options.say);
    return [...cases.flatMap((one) => results.get(one) ?? []), ...searched];
  } finally {
    await run.client.close();
  }
};
