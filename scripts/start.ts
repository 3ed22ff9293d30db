// SPDX-License-Identifier: Apache-2.0
// `npm start`: runs all of Keyswitch on this machine, without a cluster, and takes commands at a prompt.
// `npm start -- --once` runs the tour instead and exits with 0 if every step passed, else with 1.
import { parseArgs } from "node:util";
import { exitOnSignals } from "./local/exit-on-signals.ts";
import { runPrompt } from "./local/prompt.ts";
import { type Role, startStack } from "./local/stack.ts";
import { provideForStack } from "./system-packages.ts";
import { runTour, tableOf } from "./tour.ts";

const say = (line: string) => process.stdout.write(`${line}\n`);

const usage = `usage: npm start [-- --once | --verbose]
  --once     run the tour, check each step, print a table, exit 0 or 1
  --verbose  print every line that the agent and the webhook log`;

const options = () => {
  try {
    return parseArgs({ options: { once: { type: "boolean" }, verbose: { type: "boolean" } } }).values;
  } catch (error) {
    say(`${error instanceof Error ? error.message : error}\n${usage}`);
    process.exit(2);
  }
};

/** Runs the tour; answers with the exit code. */
const once = async (): Promise<number> => {
  exitOnSignals();
  const stack = await startStack({ say, onLine, hsmSet: true, bundled: true });
  try {
    const results = await runTour(stack, say);
    say(tableOf(results));
    const failed = results.filter(({ ok }) => !ok).length;
    say(
      failed === 0 ? `All ${results.length} steps passed.` : `${failed} of ${results.length} steps failed.`,
    );
    return failed === 0 ? 0 : 1;
  } finally {
    await stack.close();
  }
};

const { once: tour, verbose } = options();
const onLine = verbose ? (role: Role, line: string) => say(`[${role}] ${line}`) : () => {};
const missing = provideForStack(say);
if (missing.length > 0) {
  for (const { name, debian } of missing) say(`${name} is missing. On Debian: apt-get install ${debian}`);
  process.exitCode = 1;
} else if (tour) {
  process.exitCode = await once();
} else {
  // The start takes a while, and its folder holds keys and a PIN. The prompt has its own way to end.
  const release = exitOnSignals();
  const stack = await startStack({ say, onLine, hsmSet: true, bundled: true });
  try {
    await runPrompt(stack, say, undefined, release);
  } finally {
    await stack.close();
  }
}
