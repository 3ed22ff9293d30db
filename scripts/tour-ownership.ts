// SPDX-License-Identifier: Apache-2.0
// Implements the tour's steps about the owner of a Secret: an edit removes it, and the Secret is orphaned and adopted again.
import type { HSMSecretStatus } from "../hooks/hsmsecret/schema.ts";
import { eventually } from "./local/eventually.ts";
import { secretOf } from "./local/hsmsecret-view.ts";
import type { Kubectl } from "./local/kubectl.ts";
import type { Step } from "./tour-step.ts";

/** Looks at each status until the Secret is in sync. */
export type Meanwhile = (status: HSMSecretStatus) => Promise<void>;

/** What these steps have to do with one HSMSecret of the tour. */
export interface Subject {
  readonly kubectl: Kubectl;
  readonly namespace: string;
  readonly name: string;
  readonly seconds: number;
  /** Makes the HSMSecret anew with this spec. */
  apply(spec: Record<string, unknown>): Promise<unknown>;
  /** Waits until the Secret holds what the token holds and the status says Synced. */
  synced(meanwhile: Meanwhile): Promise<void>;
}

/** The command with which a status has a Secret labelled, as dynamic apply needs it. */
const TOLD = /kubectl (label secret -n \S+ \S+ controller-uid=\S+ --overwrite)/;

/** Does what the status tells a user to do, once, and waits for Synced. Answers whether there was something to be done. */
const follow = async ({ kubectl, synced }: Subject): Promise<boolean> => {
  let followed = false;
  await synced(async ({ lastError = "" }) => {
    const command = TOLD.exec(lastError)?.[1];
    if (followed || command === undefined) return;
    followed = true;
    await kubectl(command.split(" "));
  });
  return followed;
};

const ways = (followed: boolean): string => (followed ? " with the command of the status" : "");

const orphanStep = async (subject: Subject): Promise<string> => {
  const { kubectl, namespace, name, seconds } = subject;
  const timeout = `--timeout=${Math.ceil(seconds)}s`;
  await kubectl(["delete", "-n", namespace, "hsmsecret", name, "--cascade=orphan", timeout]);
  if (!(await secretOf(kubectl, namespace, name))) throw new Error("the orphan is gone");
  await subject.apply({ adopt: true });
  const followed = await follow(subject);
  await kubectl(["delete", "-n", namespace, "hsmsecret", name, timeout]);
  await eventually("the Secret is gone", async () => !(await secretOf(kubectl, namespace, name)), {
    seconds,
  });
  return `orphaned, adopted${ways(followed)}, deleted`;
};

/** Edits after which nobody owns the Secret any more: as kubectl replace with a bare manifest, and one of the label alone. */
const releaseStep = async (subject: Subject): Promise<string> => {
  const { kubectl, namespace, name } = subject;
  const before = (await secretOf(kubectl, namespace, name))?.metadata;
  const bare = {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name, namespace },
    stringData: { added: "x" },
  };
  await kubectl(["replace", "-f", "-"], JSON.stringify(bare));
  const first = await follow(subject);
  await kubectl(["label", "-n", namespace, "secret", name, "controller-uid-"]);
  await eventually(
    "the Secret has its owner and the label again",
    async () => {
      const { labels, ownerReferences } = (await secretOf(kubectl, namespace, name))?.metadata ?? {};
      if (labels?.["controller-uid"] !== undefined && ownerReferences?.length === 1) return true;
      await follow(subject);
      return false;
    },
    { seconds: subject.seconds },
  );
  const after = (await secretOf(kubectl, namespace, name))?.metadata;
  if (after?.uid !== before?.uid) throw new Error("the Secret was made anew");
  return `the same Secret, after kubectl replace and without its label${ways(first)}`;
};

/** The steps; the last one deletes the HSMSecret. */
export const ownershipSteps = (subject: Subject): Step[] => [
  {
    title: "a Secret that an edit cost its owner is taken back",
    run: () => releaseStep(subject),
  },
  {
    title: "a deleted HSMSecret takes its Secret along, or leaves it as an orphan",
    run: () => orphanStep(subject),
  },
];
