// SPDX-License-Identifier: Apache-2.0
// Defines the tour's steps for two HSMs that are one store: both hold what one was given, and reads go on when the primary fails.
import { isDeepStrictEqual } from "node:util";
import { eventually } from "./local/eventually.ts";
import type { HsmSet } from "./local/hsm-set/hsm-set.ts";
import { SET_NAME } from "./local/hsm-set/plan.ts";
import { plainData, readyOf, secretOf, statusOf } from "./local/hsmsecret-view.ts";
import type { Kubectl } from "./local/kubectl.ts";
import { hsmSecret, NAMESPACE, type Step, type ValuesSeen } from "./tour-step.ts";

/** How many steps a set adds. */
export const SET_STEPS = 2;

const NAME = "shared";
const PATH = `secrets/${NAMESPACE}/${NAME}`;
/** A set is founded by two syncs of ten seconds. */
const FOUNDING_SECONDS = 120;

/** The steps, on the set of a stack. */
export const setSteps = (kubectl: Kubectl, set: HsmSet, seconds: number, values: ValuesSeen): Step[] => {
  const content = { password: values.next() };
  let last = "";
  const settled = (ready: string) =>
    eventually(
      `the Secret holds what the set holds and the status says ${ready}`,
      async () => {
        const isSame = isDeepStrictEqual(plainData(await secretOf(kubectl, NAMESPACE, NAME)), content);
        last = readyOf(await statusOf(kubectl, NAMESPACE, NAME));
        return isSame && last === ready;
      },
      { seconds, seen: () => `The status says ${last || "nothing"}.` },
    );
  return [
    {
      title: "two HSMs are one store: both hold a secret that one agent was given",
      run: async () => {
        const founded = async () => set.status().conditions?.some(isMirrored);
        await eventually("the set is complete", founded, { seconds: FOUNDING_SECONDS });
        await set.put(PATH, content);
        await kubectl(["apply", "-f", "-"], hsmSecret(NAME, { device: SET_NAME }));
        await settled("True Synced");
        for (const name of ["a", "b"] as const) {
          await eventually(`HSM ${name} holds it`, () => set.holds(name, PATH), { seconds });
        }
        return `the primary is ${set.status().primary}`;
      },
    },
    {
      title: "with the primary's agent killed, a deleted Secret is made anew from the mirror",
      run: async () => {
        const primary = set.primary();
        if (primary === undefined) throw new Error("the set has no primary");
        await set.stopAgent(primary);
        await kubectl(["delete", "-n", NAMESPACE, "secret", NAME]);
        await settled("True SyncedFromMirror");
        const { device = "" } = await statusOf(kubectl, NAMESPACE, NAME);
        return `${device} has answered; writes wait for up to 40 s until it takes over`;
      },
    },
  ];
};

const isMirrored = ({ type, status }: { type: string; status: string }): boolean =>
  type === "Mirrored" && status === "True";
