// SPDX-License-Identifier: Apache-2.0
// The steps of the tour: each tries one thing that Keyswitch promises, with kubectl and the token, and checks it.
import { randomBytes } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { eventually } from "./local/eventually.ts";
import { plainData, readyOf, secretOf, statusOf } from "./local/hsmsecret-view.ts";
import type { Stack } from "./local/stack.ts";
import { chatStep } from "./tour-chat.ts";
import { type Meanwhile, ownershipSteps } from "./tour-ownership.ts";
import { writeBackSteps } from "./tour-write-back.ts";

const NAMESPACE = "demo";
const NAME = "database";
const PATH = `secrets/${NAMESPACE}/${NAME}`;

/** A step: what it shows, and the doing of it. It answers with a detail for the table and throws where it fails. */
export interface Step {
  readonly title: string;
  run(): Promise<string>;
}

const hsmSecret = (name: string, spec: Record<string, unknown>) =>
  JSON.stringify({
    apiVersion: "hsm.j5t.io/v1alpha1",
    kind: "HSMSecret",
    metadata: { name, namespace: NAMESPACE },
    spec,
  });

/** A Toggle for the Deployment that `kubectl create deployment NAME` makes. */
const toggle = (name: string) =>
  JSON.stringify({
    apiVersion: "toggle.j5t.io/v1alpha1",
    kind: "Toggle",
    metadata: { name, namespace: NAMESPACE },
    spec: { enabled: true, selector: { matchLabels: { app: name } } },
  });

/** The steps in their order; later ones build on earlier ones. Each waits `seconds` at most for a thing to come about. */
export const stepsOf = (stack: Stack, seconds: number): Step[] => {
  const { kubectl, token } = stack;
  const timeout = `--timeout=${Math.ceil(seconds)}s`;
  const fresh = () => randomBytes(12).toString("hex");
  const seen = new Set<string>();
  /** A new value, remembered so that the last step can look for it where it must not be. */
  const value = (): string => {
    const made = fresh();
    seen.add(made);
    return made;
  };
  let content: Record<string, string> = { username: "app", password: value() };

  /** Waits until the Secret holds `content` and the status is as `ready` says. */
  const settled = async (ready: string, meanwhile: Meanwhile = async () => {}): Promise<void> => {
    let last = "";
    await eventually(
      `the Secret holds the token's content and the status says ${ready}`,
      async () => {
        const data = plainData(await secretOf(kubectl, NAMESPACE, NAME));
        const status = await statusOf(kubectl, NAMESPACE, NAME);
        const said = readyOf(status);
        await meanwhile(status);
        last = `The Secret ${isDeepStrictEqual(data, content) ? "does" : "does not"}; the status says ${said || "nothing"}.`;
        return isDeepStrictEqual(data, content) && said === ready;
      },
      { seconds, seen: () => last },
    );
  };
  const forceSync = () =>
    kubectl([
      "annotate",
      "-n",
      NAMESPACE,
      "hsmsecret",
      NAME,
      "--overwrite",
      `hsm.j5t.io/force-sync=${fresh()}`,
    ]);

  return [
    {
      title: "a secret on the token becomes a Secret",
      run: async () => {
        await token.put(PATH, content);
        await kubectl(["create", "namespace", NAMESPACE]);
        await kubectl(["apply", "-f", "-"], hsmSecret(NAME, { syncInterval: 5 }));
        await settled("True Synced");
        return `Secret ${NAMESPACE}/${NAME} from a token ${token.kind}`;
      },
    },
    {
      title: "a change on the token reaches the Secret",
      run: async () => {
        content = { ...content, password: value(), host: "db.example" };
        await token.put(PATH, content);
        await settled("True Synced");
        return "a changed and a new key, by the sync interval of 5 s";
      },
    },
    {
      title: "a key removed from the token leaves the Secret",
      run: async () => {
        const { host: _, ...rest } = content;
        content = rest;
        await token.put(PATH, content);
        await forceSync();
        await settled("True Synced");
        return "at once, by the annotation hsm.j5t.io/force-sync";
      },
    },
    {
      title: "a Secret edited by hand is put back",
      run: async () => {
        const before = (await secretOf(kubectl, NAMESPACE, NAME))?.metadata.resourceVersion;
        const patch = { stringData: { password: fresh(), added: "by hand" } };
        await kubectl([
          "patch",
          "-n",
          NAMESPACE,
          "secret",
          NAME,
          "--type=merge",
          "-p",
          JSON.stringify(patch),
        ]);
        await settled("True Synced");
        const after = await secretOf(kubectl, NAMESPACE, NAME);
        if (after?.metadata.resourceVersion === before) throw new Error("the edit did not happen");
        return "the value is back and the added key is gone";
      },
    },
    {
      title: "a deleted Secret is made anew",
      run: async () => {
        await kubectl(["delete", "-n", NAMESPACE, "secret", NAME]);
        await settled("True Synced");
        return "with the same content";
      },
    },
    {
      title: "with the agent stopped the Secret stays and the status says so",
      run: async () => {
        const before = await secretOf(kubectl, NAMESPACE, NAME);
        await stack.stop("agent");
        await forceSync();
        await settled("False HSMUnavailable");
        const after = await secretOf(kubectl, NAMESPACE, NAME);
        if (after?.metadata.resourceVersion !== before?.metadata.resourceVersion) {
          throw new Error("the Secret was written during the outage");
        }
        return (await statusOf(kubectl, NAMESPACE, NAME)).syncStatus ?? "";
      },
    },
    {
      title: "with the agent back the Secret catches up",
      run: async () => {
        content = { ...content, password: value() };
        await token.put(PATH, content);
        await stack.start("agent");
        await settled("True Synced");
        return "with a change that was made during the outage";
      },
    },
    {
      title: "a secret missing from the token keeps its Secret",
      run: async () => {
        await token.remove(PATH);
        await forceSync();
        await settled("False ObjectNotFound");
        await token.put(PATH, content);
        await forceSync();
        await settled("True Synced");
        return "onMissing: Retain; back in sync when it is there again";
      },
    },
    {
      title: "somebody else's Secret is not touched",
      run: async () => {
        await kubectl([
          "create",
          "-n",
          NAMESPACE,
          "secret",
          "generic",
          "theirs",
          "--from-literal=key=theirs",
        ]);
        await kubectl(["apply", "-f", "-"], hsmSecret("theirs", { hsmPath: PATH }));
        await eventually(
          "the status says Conflict",
          async () => readyOf(await statusOf(kubectl, NAMESPACE, "theirs")) === "False Conflict",
          { seconds },
        );
        const data = plainData(await secretOf(kubectl, NAMESPACE, "theirs"));
        if (!isDeepStrictEqual(data, { key: "theirs" })) throw new Error("the foreign Secret was changed");
        return "the status says Conflict and what to do";
      },
    },
    {
      title: "another namespace's path is refused",
      run: async () => {
        await kubectl(["apply", "-f", "-"], hsmSecret("nosy", { hsmPath: "secrets/other/database" }));
        await eventually(
          "the status says Forbidden",
          async () => readyOf(await statusOf(kubectl, NAMESPACE, "nosy")) === "False Forbidden",
          { seconds },
        );
        if (await secretOf(kubectl, NAMESPACE, "nosy")) throw new Error("a Secret was made");
        return "the status says Forbidden, and no Secret is made";
      },
    },
    ...ownershipSteps({
      kubectl,
      namespace: NAMESPACE,
      name: NAME,
      seconds,
      apply: (spec) => kubectl(["apply", "-f", "-"], hsmSecret(NAME, spec)),
      synced: (meanwhile) => settled("True Synced", meanwhile),
    }),
    ...writeBackSteps(stack, seconds, value),
    {
      title: "a Toggle switches a Deployment off, and back to the count it had",
      run: async () => {
        await kubectl(["create", "-n", NAMESPACE, "deployment", "web", "--image=web", "--replicas=3"]);
        await kubectl(["apply", "-f", "-"], toggle("web"));
        const replicas = () =>
          kubectl(["get", "-n", NAMESPACE, "deployment", "web", "-o", "jsonpath={.spec.replicas}"]);
        const becomes = (phase: string) =>
          kubectl([
            "wait",
            "-n",
            NAMESPACE,
            "toggle/web",
            `--for=jsonpath={.status.phase}=${phase}`,
            timeout,
          ]);
        const switchTo = (enabled: boolean) =>
          kubectl([
            "patch",
            "-n",
            NAMESPACE,
            "toggle",
            "web",
            "--type=merge",
            "-p",
            JSON.stringify({ spec: { enabled } }),
          ]);
        await becomes("Running");
        for (const [enabled, phase, count] of [
          [false, "Off", "0"],
          [true, "Running", "3"],
        ] as const) {
          await switchTo(enabled);
          await becomes(phase);
          const found = await replicas();
          if (found !== count) throw new Error(`${phase} with ${found} replicas instead of ${count}`);
        }
        await kubectl(["delete", "-n", NAMESPACE, "toggle", "web", "--cascade=orphan", timeout]);
        if ((await replicas()) !== "3") throw new Error("the Deployment did not stay at 3 replicas");
        return "3, 0, 3 replicas, and still 3 after kubectl delete --cascade=orphan";
      },
    },
    {
      title: "chat commands switch a Deployment, and their answers follow it",
      run: () => chatStep(stack, seconds),
    },
    {
      title: "no value is in any log, status or event",
      run: async () => {
        const objects = await kubectl(["get", "hsmsecrets,events", "-A", "-o", "yaml"]);
        const metrics = await Promise.all(
          (["agent", "webhook"] as const).map((role) => stack.call(role, "/metrics")),
        );
        const said = [...stack.logs(), objects, ...metrics.map(({ body }) => body)].join("\n");
        for (const one of seen) {
          if (said.includes(one) || said.includes(Buffer.from(one).toString("base64"))) {
            throw new Error("a secret value was printed");
          }
        }
        return `${seen.size} values looked for in ${stack.logs().length} lines`;
      },
    },
  ];
};
