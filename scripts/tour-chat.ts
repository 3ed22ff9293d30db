// SPDX-License-Identifier: Apache-2.0
// Implements the tour's step in which chat commands switch a Deployment.
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { ToggleSpec } from "../hooks/toggle/schema.ts";
import { USER } from "./local/chat-room.ts";
import { eventually } from "./local/eventually.ts";
import type { Stack } from "./local/stack.ts";

const NAMESPACE = "demo";
const NAME = "shop";

const WithSpec = Type.Object({ spec: ToggleSpec });

/** Does stop, start, status and start 2h; answers with what was seen, and throws where something is wrong. */
export const chatStep = async ({ kubectl, chat }: Stack, seconds: number): Promise<string> => {
  const replicas = () =>
    kubectl(["get", "-n", NAMESPACE, "deployment", NAME, "-o", "jsonpath={.spec.replicas}"]);
  const spec = async (): Promise<ToggleSpec> => {
    const toggle = await kubectl.get(["toggle", NAME, "-n", NAMESPACE]);
    if (!Value.Check(WithSpec, toggle)) throw new Error(`there is no Toggle ${NAME}`);
    return toggle.spec;
  };
  /** Says `text`, and waits until its one answer has become `last`. */
  const says = async (text: string, last: string): Promise<void> => {
    const before = chat.lines().length;
    await chat.say(text);
    const lines = () => chat.lines().slice(before);
    await eventually(`the answer to “${text}” says “${last}”`, async () => lines().at(-1)?.text === last, {
      seconds,
      seen: () => `It says “${lines().at(-1)?.text ?? "nothing"}”.`,
    });
    if (new Set(lines().map(({ answer }) => answer)).size !== 1) throw new Error(`${text}: several answers`);
  };
  const expect = (what: string, found: unknown, expected: unknown) => {
    if (found !== expected) throw new Error(`${what} is ${found} instead of ${expected}`);
  };

  await kubectl(["create", "-n", NAMESPACE, "deployment", NAME, `--image=${NAME}`, "--replicas=2"]);
  const toggle = {
    apiVersion: "toggle.j5t.io/v1alpha1",
    kind: "Toggle",
    metadata: { name: NAME, namespace: NAMESPACE },
    spec: { enabled: true, selector: { matchLabels: { app: NAME } } },
  };
  await kubectl(["apply", "-f", "-"], JSON.stringify(toggle));
  const timeout = `--timeout=${Math.ceil(seconds)}s`;
  const running = "--for=jsonpath={.status.phase}=Running";
  await kubectl(["wait", "-n", NAMESPACE, `toggle/${NAME}`, running, timeout]);

  await says(`stop ${NAME} because of the tour`, `${NAME} is off: 0 desired, 0 ready, 0 available.`);
  expect("the count after stop", await replicas(), "0");
  const stopped = await spec();
  expect("requestedBy", stopped.requestedBy, USER);
  expect("reason", stopped.reason, "of the tour");

  await says(`START ${NAME}`, `${NAME} is running: 2 desired, 2 ready, 2 available.`);
  expect("the count after start", await replicas(), "2");
  await says(`status ${NAME}`, `${NAME} is running: 2 desired, 2 ready, 2 available. Switched by ${USER}.`);

  const before = Date.now();
  await chat.say(`start ${NAME} 2h`);
  const until = Date.parse((await spec()).until ?? "");
  if (!(until >= before + 7_200_000 && until < before + 7_260_000)) {
    throw new Error("until is not in 2 hours");
  }
  const edits = chat.lines().filter(({ edited }) => edited).length;
  await kubectl(["delete", "-n", NAMESPACE, "toggle", NAME, "--cascade=orphan", timeout]);
  return `2, 0, 2 replicas; ${edits} edits; until ${new Date(until).toISOString()}`;
};
