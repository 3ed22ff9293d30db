// SPDX-License-Identifier: Apache-2.0
// Implements the prompt of `npm start`: takes chat commands, changes the token's content, stops and starts the processes, and unplugs HSMs.
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { isHsmPath } from "../../hooks/formats.ts";
import { helpText } from "../../server/bot/answers.ts";
import { commandOf } from "../../server/bot/command.ts";
import { SET_NAME } from "./hsm-set/plan.ts";
import { moveDevice, putOnSet, SET_HELP, SET_INTRODUCTION, switchAgent } from "./prompt-set.ts";
import type { Stack } from "./stack.ts";

const HELP = `  put PATH KEY=VALUE...   make the secret at PATH on the token hold exactly these keys
  remove PATH             remove it from the token
  agent|webhook stop      as if the node or the pod had gone
  agent|webhook start
${SET_HELP}
  quit
And these, as in a chat room:
${helpText([]).replaceAll(/^/gm, "  ")}`;

/** The Toggle of the samples, and a Deployment for it. */
const SAMPLE = fileURLToPath(new URL("../../manifests/samples/toggle.yaml", import.meta.url));

const EXAMPLE = `apiVersion: hsm.j5t.io/v1alpha1
kind: HSMSecret
metadata: {name: database, namespace: default}
spec: {syncInterval: 5}`;

type Obeyed = Pick<Stack, "token" | "start" | "stop" | "chat" | "hsmSet">;
/** Answers with what to print; undefined where the words are not what the command takes. */
type Command = (stack: Obeyed, words: readonly string[]) => Promise<string | undefined>;

type Keys = Readonly<Record<string, string>>;

/** Reads `PATH KEY=VALUE…`, and has `write` do it; or answers with what is wrong. */
const readKeys = async (
  [path, ...words]: readonly string[],
  write: (path: string, keys: Keys) => Promise<string>,
): Promise<string | undefined> => {
  const pairs = words.map((word) => word.match(/^([-._a-zA-Z0-9]+)=(.*)$/));
  if (path === undefined || pairs.length === 0) return undefined;
  if (!isHsmPath(path)) return `${path} can't be a path: letters, digits, "-", "_", "." between slashes`;
  if (pairs.some((pair) => pair === null)) return "put takes KEY=VALUE pairs without spaces in them";
  return write(path, Object.fromEntries(pairs.map((pair) => [pair?.[1] ?? "", pair?.[2] ?? ""])));
};

const put: Command = ({ token }, words) =>
  readKeys(words, async (path, keys) => {
    await token.put(path, keys);
    return `${path} holds ${Object.keys(keys).join(", ")}`;
  });

const device: Command = ({ hsmSet }, words) =>
  words[0] === "put"
    ? readKeys(words.slice(1), (path, keys) => putOnSet(hsmSet, path, keys))
    : moveDevice(hsmSet, words);

const agent: Command = (stack, words) =>
  words.length > 1 ? switchAgent(stack.hsmSet, words) : switchRole("agent")(stack, words);

const remove: Command = async ({ token }, [path, ...more]) => {
  if (path === undefined || more.length > 0) return undefined;
  await token.remove(path);
  return `${path} is removed from the token`;
};

const switchRole =
  (role: "agent" | "webhook"): Command =>
  async (stack, [action, ...more]) => {
    if ((action !== "stop" && action !== "start") || more.length > 0) return undefined;
    await stack[action](role);
    return `${role}: done`;
  };

const COMMANDS: ReadonlyMap<string, Command> = new Map([
  ["", async () => ""],
  ["put", put],
  ["remove", remove],
  ["agent", agent],
  ["device", device],
  ["webhook", switchRole("webhook")],
]);

/** Obeys one line; answers with what to print. */
const obey = async (stack: Obeyed, line: string): Promise<string> => {
  const [command = "", ...words] = line.trim().split(/\s+/);
  const answer = await COMMANDS.get(command.toLowerCase())?.(stack, words);
  if (answer !== undefined) return answer;
  const { verb } = commandOf(line);
  if (verb === "help" || verb === "unknown") return HELP;
  await stack.chat.say(line);
  return "";
};

type Terminal = { readonly input: NodeJS.ReadableStream; readonly output: NodeJS.WritableStream };

/**
 * Reads commands until the input ends, `quit`, or a signal; those that were read before are still obeyed. `ready` is called when it
 * begins to, and takes the signals.
 */
export const runPrompt = async (
  stack: Obeyed & Pick<Stack, "kubectl" | "kubeconfig">,
  say: (line: string) => void,
  { input, output }: Terminal = { input: process.stdin, output: process.stdout },
  ready: () => void = () => {},
): Promise<void> => {
  await stack.token.put("secrets/default/database", { username: "app", password: "change-me" });
  await stack.kubectl(["create", "namespace", "demo"]);
  await stack.kubectl(["create", "-n", "demo", "deployment", "web", "--image=web", "--replicas=3"]);
  await stack.kubectl(["apply", "-f", SAMPLE]);
  say(`
Keyswitch runs on this machine. In another terminal:
  export KUBECONFIG=${stack.kubeconfig}
  kubectl get hsmsecrets,secrets -w
  kubectl get toggles,deployments -n demo -w
The token holds secrets/default/database. Have it as a Secret:
  kubectl apply -f - <<'END'
${EXAMPLE.replaceAll(/^/gm, "  ")}
  END
The Toggle demo/web switches the Deployment demo/web: write stop web, or start web 2h, here.
${stack.hsmSet ? `${SET_INTRODUCTION}\n` : ""}Here you also play the token and the node:
${HELP}`);
  const reader = createInterface({ input, output, prompt: "keyswitch> " });
  let isOpen = true;
  reader.once("close", () => {
    isOpen = false;
  });
  /** Answers come after the end too, when there is nothing to ask any more. */
  const ask = (keepCursor = false) => {
    if (isOpen) reader.prompt(keepCursor);
  };
  const quit = () => reader.close();
  ready();
  for (const signal of ["SIGHUP", "SIGTERM", "SIGINT"]) process.once(signal, quit);
  // On a terminal it is the reader that gets Ctrl-C.
  reader.once("SIGINT", quit);
  const closed = once(reader, "close");
  const silence = stack.chat.listen(({ edited, text }) => {
    say(`${edited ? "  (edited) " : "  "}${text.replaceAll("\n", "\n  ")}`);
    if (edited) ask(true);
  });
  const quiet = stack.hsmSet?.listen((line) => {
    say(`  ${SET_NAME}: ${line}`);
    ask(true);
  });
  let queue = Promise.resolve();
  reader.on("line", (line) => {
    queue = queue.then(async () => {
      if (/^\s*(quit|exit)\s*$/i.test(line)) return reader.close();
      const answer = await obey(stack, line).catch((error: unknown) =>
        error instanceof Error ? error.message : String(error),
      );
      if (answer !== "") say(answer);
      ask();
    });
  });
  ask();
  await closed;
  await queue;
  silence();
  quiet?.();
  say("Stopping.");
};
