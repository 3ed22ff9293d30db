// SPDX-License-Identifier: Apache-2.0
// The tour's steps with an HSMSecret that is synced both ways: write-back, a Conflict and its resolution, and a deletion
// that takes the data on the token along.
import { toBase64 } from "../hooks/formats.ts";
import { eventually } from "./local/eventually.ts";
import { plainData, readyOf, secretOf, statusOf } from "./local/hsmsecret-view.ts";
import type { Stack } from "./local/stack.ts";
import type { Step } from "./tour-steps.ts";

const NAMESPACE = "demo";
const NAME = "session";
const URL = `/v1/secrets/secrets/${NAMESPACE}/${NAME}`;

const manifest = JSON.stringify({
  apiVersion: "hsm.j5t.io/v1alpha1",
  kind: "HSMSecret",
  metadata: { name: NAME, namespace: NAMESPACE },
  spec: { writeBack: "OnChange", deletionPolicy: "Delete", syncInterval: 5 },
});

/** `value` makes a new value and remembers it; each step waits `seconds` at most for a thing to come about. */
export const writeBackSteps = (stack: Stack, seconds: number, value: () => string): Step[] => {
  const { kubectl } = stack;
  const onToken = async (): Promise<string> => {
    const { status, body } = await stack.call("agent", URL);
    return status === 200 ? body : `HTTP ${status}`;
  };
  const putOnToken = async (key: string): Promise<void> => {
    const { status } = await stack.write("PUT", URL, { data: { key: toBase64(key) } });
    if (status !== 200 && status !== 201) throw new Error(`the agent answered a PUT with HTTP ${status}`);
  };
  const editSecret = (key: string) =>
    kubectl([
      "patch",
      "-n",
      NAMESPACE,
      "secret",
      NAME,
      "--type=merge",
      "-p",
      JSON.stringify({ stringData: { key } }),
    ]);
  const resolve = (change: string) =>
    kubectl(["annotate", "-n", NAMESPACE, "hsmsecret", NAME, `hsm.j5t.io/resolve${change}`]);
  /** Waits until both sides hold `key` and the status says so. */
  const bothHold = (key: string) =>
    eventually(
      "both sides hold the same and the status says Synced",
      async () => {
        const data = plainData(await secretOf(kubectl, NAMESPACE, NAME));
        const said = readyOf(await statusOf(kubectl, NAMESPACE, NAME));
        return (
          data?.key === key && said === "True Synced" && (await onToken()).includes(`"${toBase64(key)}"`)
        );
      },
      { seconds },
    );
  const says = (ready: string) =>
    eventually(
      `the status says ${ready}`,
      async () => readyOf(await statusOf(kubectl, NAMESPACE, NAME)) === ready,
      { seconds },
    );

  return [
    {
      title: "an edited Secret is written to the token",
      run: async () => {
        const first = value();
        await putOnToken(first);
        await kubectl(["apply", "-f", "-"], manifest);
        await bothHold(first);
        const edited = value();
        await editSecret(edited);
        await bothHold(edited);
        return "writeBack: OnChange";
      },
    },
    {
      title: "changes on both sides are a Conflict, and the user chooses",
      run: async () => {
        const [mine, theirs] = [value(), value()];
        await stack.stop("webhook");
        await editSecret(mine);
        await putOnToken(theirs);
        await stack.start("webhook");
        await says("False Conflict");
        if (plainData(await secretOf(kubectl, NAMESPACE, NAME))?.key !== mine)
          throw new Error("the edit is gone");
        if (!(await onToken()).includes(toBase64(theirs))) throw new Error("the token's change is gone");
        await resolve("=secret");
        await bothHold(mine);
        await resolve("-");
        return "neither was overwritten until hsm.j5t.io/resolve=secret was set";
      },
    },
    {
      title: "a deleted HSMSecret takes its data on the token along, once the token can be reached",
      run: async () => {
        await stack.stop("agent");
        await kubectl(["delete", "-n", NAMESPACE, "hsmsecret", NAME, "--wait=false"]);
        await says("False HSMUnavailable");
        if (!(await secretOf(kubectl, NAMESPACE, NAME))) throw new Error("the Secret went before the data");
        await stack.start("agent");
        await eventually(
          "the HSMSecret, its Secret and the data are gone",
          async () =>
            (await kubectl.get(["hsmsecret", NAME, "-n", NAMESPACE])) === undefined &&
            (await secretOf(kubectl, NAMESPACE, NAME)) === undefined &&
            (await onToken()) === "HTTP 404",
          { seconds: seconds + 15 },
        );
        return "deletionPolicy: Delete; kept while the agent was stopped";
      },
    },
  ];
};
