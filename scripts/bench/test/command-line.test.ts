// SPDX-License-Identifier: Apache-2.0
// Tests which parts of a benchmark a command line names, and what is said where it names none that there is.
import t from "tap";
import { type Bench, planOf, usageOf } from "../command-line.ts";
import type { Part } from "../part.ts";

const part = (name: string, onDemand?: true): Part => ({
  name,
  about: `what ${name} measures`,
  heading: "Scale",
  ...(onDemand && { onDemand }),
  measure: async () => ({ kind: "not measured", why: "a test" }),
});
const BENCH: Bench = {
  command: "npm run bench",
  parts: [part("hooks"), part("card"), part("soak", true)],
  options: { minutes: { value: "N", about: "how long" } },
};

const namesOf = (...args: string[]): readonly string[] | string => {
  const plan = planOf(BENCH, args);
  return plan.kind === "run" ? plan.parts.map(({ name }) => name) : plan.kind;
};

t.test("all parts are run but those on demand; named ones alone, in their order", async (t) => {
  t.same(namesOf(), ["hooks", "card"]);
  t.same(namesOf("--profile"), ["hooks", "card"]);
  t.same(namesOf("soak", "hooks"), ["hooks", "soak"]);
});

t.test("options come with their values", async (t) => {
  const plan = planOf(BENCH, ["soak", "--minutes", "3", "--into", "there", "--profile"]);
  if (plan.kind !== "run") return t.fail(plan.kind);
  t.same([plan.option("minutes"), plan.into, plan.profile], ["3", "there", true]);
  t.equal(plan.option("others"), undefined);
});

t.test("a part or an option that there isn't is refused by its name, and the usage has all", async (t) => {
  for (const [args, why] of [
    [["hook"], /there is no part hook/],
    [["soak", "3"], /there is no part 3/],
    [["--minute", "3"], /--minute/],
    [["--minutes"], /--minutes/],
  ] as const) {
    const plan = planOf(BENCH, args);
    t.match(plan, { kind: "refused", why }, args.join(" "));
  }
  t.equal(namesOf("--help"), "help");
  const usage = usageOf(BENCH);
  for (const { name, about } of BENCH.parts) t.match(usage, new RegExp(`^ +${name} +${about}`, "m"));
  t.match(usage, /what soak measures; only if named/);
  t.match(usage, /\[--profile\] \[--minutes N\] \[--into FOLDER\]/);
});
