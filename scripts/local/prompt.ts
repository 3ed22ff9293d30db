// SPDX-License-Identifier: Apache-2.0
// The prompt of `npm start`: changes what the token holds, and stops and starts the processes.
import { once } from "node:events";
import { createInterface } from "node:readline";
import { isHsmPath } from "../../hooks/hsm-path.ts";
import type { Stack } from "./stack.ts";

const HELP = `  put PATH KEY=VALUE...   make the secret at PATH on the token hold exactly these keys
  remove PATH             remove it from the token
  stop agent|webhook      as if the node or the pod had gone
  start agent|webhook
  help
  quit`;

const EXAMPLE = `apiVersion: hsm.j5t.io/v1alpha1
kind: HSMSecret
metadata: {name: database, namespace: default}
spec: {syncInterval: 5}`;

const isRole = (word: string | undefined): word is "agent" | "webhook" =>
  word === "agent" || word === "webhook";

/** Obeys one line; answers with what to print. */
export const obey = async (stack: Pick<Stack, "token" | "start" | "stop">, line: string): Promise<string> => {
  const [command = "", ...words] = line.trim().split(/\s+/);
  const [first] = words;
  switch (command.toLowerCase()) {
    case "":
      return "";
    case "put": {
      const pairs = words.slice(1).map((word) => word.match(/^([-._a-zA-Z0-9]+)=(.*)$/));
      if (first === undefined || pairs.length === 0) break;
      if (!isHsmPath(first))
        return `${first} can't be a path: letters, digits, "-", "_", "." between slashes`;
      if (pairs.some((pair) => pair === null)) return "put takes KEY=VALUE pairs without spaces in them";
      await stack.token.put(
        first,
        Object.fromEntries(pairs.map((pair) => [pair?.[1] ?? "", pair?.[2] ?? ""])),
      );
      return `${first} holds ${pairs.map((pair) => pair?.[1]).join(", ")}`;
    }
    case "remove":
      if (first === undefined || words.length > 1) break;
      await stack.token.remove(first);
      return `${first} is removed from the token`;
    case "stop":
    case "start":
      if (!isRole(first) || words.length > 1) break;
      await stack[command.toLowerCase() === "stop" ? "stop" : "start"](first);
      return `${first}: done`;
  }
  return HELP;
};

/** Reads commands from standard input until it ends, `quit`, or a signal. */
export const runPrompt = async (stack: Stack, say: (line: string) => void): Promise<void> => {
  await stack.token.put("secrets/default/database", { username: "app", password: "change-me" });
  say(`
Keyswitch runs on this machine. In another terminal:
  export KUBECONFIG=${stack.kubeconfig}
  kubectl get hsmsecrets,secrets -w
The token holds secrets/default/database. Have it as a Secret:
  kubectl apply -f - <<'END'
${EXAMPLE.replaceAll(/^/gm, "  ")}
  END
Here you play the token and the node:
${HELP}`);
  const reader = createInterface({ input: process.stdin, output: process.stdout, prompt: "keyswitch> " });
  const quit = () => reader.close();
  process.once("SIGTERM", quit);
  process.once("SIGINT", quit);
  // On a terminal it is the reader that gets Ctrl-C.
  reader.once("SIGINT", quit);
  const closed = once(reader, "close");
  let queue = Promise.resolve();
  reader.on("line", (line) => {
    queue = queue.then(async () => {
      if (/^\s*(quit|exit)\s*$/i.test(line)) return reader.close();
      const answer = await obey(stack, line).catch((error: unknown) =>
        error instanceof Error ? error.message : String(error),
      );
      if (answer !== "") say(answer);
      reader.prompt();
    });
  });
  reader.prompt();
  await closed;
  await queue;
  say("Stopping.");
};
