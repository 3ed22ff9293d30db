// SPDX-License-Identifier: Apache-2.0
// Tests the prompt of `npm start` on an input that ends while a command is under way, as with Ctrl-D or a pipe.
import { once } from "node:events";
import { PassThrough } from "node:stream";
import { setImmediate } from "node:timers/promises";
import t from "tap";
import { runPrompt } from "../../scripts/local/prompt.ts";

type Stack = Parameters<typeof runPrompt>[0];
type Heard = { edited: boolean; text: string };

t.test("what was read before the end is obeyed, and answers after it are shown", async (t) => {
  const asked = new PassThrough();
  const ended = once(asked, "close").then(() => setImmediate());
  const removed: string[] = [];
  let tell: (heard: Heard) => void = () => {};
  const stack = {
    kubeconfig: "kubeconfig",
    kubectl: async () => "",
    token: {
      put: async () => {},
      remove: async (path: string) => {
        await ended;
        removed.push(path);
      },
    },
    chat: {
      say: async () => tell({ edited: true, text: "web is off" }),
      listen: (listener: (heard: Heard) => void) => {
        tell = listener;
        return () => {};
      },
    },
  };
  const said: string[] = [];
  asked.end("remove secrets/a/b\nstop web\nremove secrets/c/d\n");
  const output = new PassThrough().resume();
  await runPrompt(stack as unknown as Stack, (line) => said.push(line), { input: asked, output });
  t.same(removed, ["secrets/a/b", "secrets/c/d"]);
  t.ok(said.includes("  (edited) web is off"));
  t.equal(said.at(-1), "Stopping.");
});
