// SPDX-License-Identifier: Apache-2.0
// Implements the tour's steps for the two-way sync: write-back, a conflict and its resolution, and a deletion that deletes the
// data on the token as well.
import { toBase64 } from "../hooks/formats.ts";
import { eventually } from "./local/eventually.ts";
import { editSecret, plainData, readyOf, secretOf, statusOf } from "./local/hsmsecret-view.ts";
import type { Stack } from "./local/stack.ts";
import { NAMESPACE, type Step, type ValuesSeen } from "./tour-step.ts";

const NAME = "session";
const URL = `/v1/secrets/secrets/${NAMESPACE}/${NAME}`;

const manifest = JSON.stringify({
  apiVersion: "hsm.j5t.io/v1alpha1",
  kind: "HSMSecret",
  metadata: { name: NAME, namespace: NAMESPACE },
  spec: { writeBack: "OnChange", deletionPolicy: "Delete", syncInterval: 5 },
});

/** The HSMSecret, its Secret and its data on the token, as a user and an operator reach them. */
class Session {
  readonly #stack: Stack;
  readonly #seconds: number;

  constructor(stack: Stack, seconds: number) {
    this.#stack = stack;
    this.#seconds = seconds;
  }

  secret() {
    return secretOf(this.#stack.kubectl, NAMESPACE, NAME);
  }

  /** The agent's answer to a read, as JSON; `HTTP` and its status where that is not 200. */
  async onToken(): Promise<string> {
    const { status, body } = await this.#stack.call("agent", URL);
    return status === 200 ? body : `HTTP ${status}`;
  }

  async putOnToken(key: string): Promise<void> {
    const { status } = await this.#stack.write("PUT", URL, { data: { key: toBase64(key) } });
    if (status !== 200 && status !== 201) throw new Error(`the agent answered a PUT with HTTP ${status}`);
  }

  editSecret(key: string): Promise<string> {
    return editSecret(this.#stack.kubectl, NAMESPACE, NAME, { key });
  }

  /** Sets the annotation with which a user chooses, or removes it: `=secret`, `-`. */
  resolve(change: string): Promise<string> {
    return this.#stack.kubectl([
      "annotate",
      "-n",
      NAMESPACE,
      "hsmsecret",
      NAME,
      `hsm.j5t.io/resolve${change}`,
    ]);
  }

  async ready(): Promise<string> {
    return readyOf(await statusOf(this.#stack.kubectl, NAMESPACE, NAME));
  }

  /** Waits until both sides hold `key` and the status says so. */
  bothHold(key: string): Promise<true> {
    return eventually(
      "both sides hold the same and the status says Synced",
      async () => {
        const data = plainData(await this.secret());
        const said = await this.ready();
        if (data?.key !== key || said !== "True Synced") return false;
        return (await this.onToken()).includes(`"${toBase64(key)}"`);
      },
      { seconds: this.#seconds },
    );
  }

  says(ready: string): Promise<true> {
    return eventually(`the status says ${ready}`, async () => (await this.ready()) === ready, {
      seconds: this.#seconds,
    });
  }

  /** Waits until nothing of it is left, on either side. */
  isGone(): Promise<true> {
    return eventually(
      "the HSMSecret, its Secret and the data are gone",
      async () =>
        (await this.#stack.kubectl.get(["hsmsecret", NAME, "-n", NAMESPACE])) === undefined &&
        (await this.secret()) === undefined &&
        (await this.onToken()) === "HTTP 404",
      { seconds: this.#seconds + 15 },
    );
  }
}

/** The steps; each waits `seconds` at most for a thing to come about. */
export const writeBackSteps = (stack: Stack, seconds: number, values: ValuesSeen): Step[] => {
  const session = new Session(stack, seconds);
  return [
    {
      title: "an edited Secret is written to the token",
      run: async () => {
        const first = values.next();
        await session.putOnToken(first);
        await stack.kubectl(["apply", "-f", "-"], manifest);
        await session.bothHold(first);
        const edited = values.next();
        await session.editSecret(edited);
        await session.bothHold(edited);
        return "writeBack: OnChange";
      },
    },
    {
      title: "changes on both sides are a Conflict, and the user chooses",
      run: () => conflictStep(stack, session, values),
    },
    {
      title: "a deleted HSMSecret takes its data on the token along, once the token can be reached",
      run: async () => {
        await stack.stop("agent");
        await stack.kubectl(["delete", "-n", NAMESPACE, "hsmsecret", NAME, "--wait=false"]);
        await session.says("False HSMUnavailable");
        if (!(await session.secret())) throw new Error("the Secret went before the data");
        await stack.start("agent");
        await session.isGone();
        return "deletionPolicy: Delete; kept while the agent was stopped";
      },
    },
  ];
};

const conflictStep = async (stack: Stack, session: Session, values: ValuesSeen): Promise<string> => {
  const [mine, theirs] = [values.next(), values.next()];
  await stack.stop("webhook");
  await session.editSecret(mine);
  await session.putOnToken(theirs);
  await stack.start("webhook");
  await session.says("False Conflict");
  if (plainData(await session.secret())?.key !== mine) throw new Error("the edit is gone");
  if (!(await session.onToken()).includes(toBase64(theirs))) throw new Error("the token's change is gone");
  await session.resolve("=secret");
  await session.bothHold(mine);
  await session.resolve("-");
  return "neither was overwritten until hsm.j5t.io/resolve=secret was set";
};
