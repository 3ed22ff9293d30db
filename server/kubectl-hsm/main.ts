// SPDX-License-Identifier: Apache-2.0
// Runs `kubectl hsm`: finds the command, runs it, cleans up, and ends with its exit code.
import { constants } from "node:os";
import type { Environment } from "../config/variables.ts";
import { globalsOf, splitCommand } from "./arguments.ts";
import { COMMANDS, commandNamed } from "./commands.ts";
import { completionsOf } from "./complete.ts";
import { type Context, createContext } from "./context.ts";
import { CommandFailed, EXIT_CODES } from "./exit-codes.ts";
import { commandHelp, generalHelp } from "./help.ts";
import { type Io, severalLines, write } from "./io.ts";

/** Answers with the exit code. */
export const runKubectlHsm = async (args: readonly string[], env: Environment, io: Io): Promise<number> => {
  const context = createContext(env, io);
  const interrupted = onSignals();
  try {
    const ended = await Promise.race([perform(context, args, env), interrupted.signal]);
    if (typeof ended === "number") return ended;
    await write(
      io.stderr,
      `\nerror: ended by ${ended}. A request that was under way may still be carried out.\n`,
    );
    return 128 + constants.signals[ended];
  } catch (error) {
    if (isBrokenPipe(error)) return EXIT_CODES.done.code;
    if (!(error instanceof CommandFailed)) throw error;
    await write(io.stderr, `error: ${severalLines(error.message)}\n`);
    return EXIT_CODES[error.exit].code;
  } finally {
    await context.close();
    interrupted.stop();
  }
};

const perform = async (context: Context, args: readonly string[], env: Environment): Promise<number> => {
  const { io } = context;
  if (args[0] === "__complete") return complete(context, args.slice(1), env);
  if (args[0] === "__complete_for_kubectl") return complete(context, args.slice(1), env, KUBECTL_ENDINGS);
  const { name, rest, help } = splitCommand(args, (one) => commandNamed(one) !== undefined);
  if (name === undefined || name === "help") return generalOrNamed(io, name, rest, help);
  const found = commandNamed(name);
  if (found === undefined) {
    const near = COMMANDS.filter((one) => one.name.startsWith(`${name} `)).map((one) => one.name);
    throw new CommandFailed(
      "usage",
      near.length > 0
        ? `did you mean ${near.join(" or ")}?`
        : "there is no such command; kubectl hsm help lists them",
    );
  }
  if (rest.includes("--help") || rest.includes("-h")) {
    await write(io.stdout, commandHelp(found));
    return EXIT_CODES.done.code;
  }
  return EXIT_CODES[await found.start(context, rest)].code;
};

const generalOrNamed = async (
  io: Io,
  name: string | undefined,
  rest: readonly string[],
  help: boolean,
): Promise<number> => {
  const words = rest.filter((word) => !word.startsWith("-"));
  const found = words.length === 0 ? undefined : commandNamed(words.join(" "));
  if (words.length > 0 && found === undefined) {
    throw new CommandFailed("usage", "there is no such command; kubectl hsm help lists them");
  }
  const wanted = name === "help" || help;
  await write(wanted ? io.stdout : io.stderr, found === undefined ? generalHelp() : commandHelp(found));
  return wanted ? EXIT_CODES.done.code : EXIT_CODES.usage.code;
};

/** Names of secrets are worth no longer wait than this. */
const LOOK_UP_SECONDS = "4";

/** How kubectl wants a list of candidates to end: with what the shell shall do itself. */
const KUBECTL_ENDINGS = { file: ":0", none: ":4" };
const OWN_ENDINGS = { file: ":file", none: undefined };

const complete = async (
  context: Context,
  line: readonly string[],
  env: Environment,
  endings: { file: string; none: string | undefined } = OWN_ENDINGS,
): Promise<number> => {
  const { words, lookUp } = completionsOf(line);
  const names = lookUp === "secret" ? await secretNames(context, line, env) : words;
  const ending = lookUp === "file" ? endings.file : endings.none;
  const lines = [...names, ...(ending === undefined ? [] : [ending])];
  await write(context.io.stdout, lines.map((word) => `${word}\n`).join(""));
  return EXIT_CODES.done.code;
};

const secretNames = async (
  context: Context,
  line: readonly string[],
  env: Environment,
): Promise<string[]> => {
  const seconds = {
    KEYSWITCH_TIMEOUT_SECONDS: LOOK_UP_SECONDS,
    KEYSWITCH_CONNECT_TIMEOUT_SECONDS: LOOK_UP_SECONDS,
  };
  const listing = createContext({ ...env, ...seconds }, context.io);
  try {
    listing.setGlobals(globalsOf(line.slice(0, -1)));
    const prefix = `secrets/${await listing.namespace()}/`;
    const rows = await (await listing.agent("read")).list(`${prefix}${line.at(-1) ?? ""}`);
    return rows.map(({ path }) => path.slice(prefix.length));
  } catch (error) {
    // At a Tab there is no place to say why.
    if (error instanceof CommandFailed) return [];
    throw error;
  } finally {
    await listing.close();
  }
};

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
type Signal = (typeof signals)[number];

/** A signal ends the command in an orderly way: the port-forward and the terminal's state are put back. */
const onSignals = (): { signal: Promise<Signal>; stop(): void } => {
  const { promise, resolve } = Promise.withResolvers<Signal>();
  const onSignal = (signal: Signal) => resolve(signal);
  for (const signal of signals) process.on(signal, onSignal);
  return {
    signal: promise,
    stop: () => {
      for (const signal of signals) process.off(signal, onSignal);
    },
  };
};

/** Whoever reads the output has seen enough (`| head`). */
const isBrokenPipe = (error: unknown): boolean =>
  error instanceof Error &&
  "code" in error &&
  (error.code === "EPIPE" || error.code === "ERR_STREAM_DESTROYED");
