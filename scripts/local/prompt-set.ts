// SPDX-License-Identifier: Apache-2.0
// Implements the prompt's commands for the set of HSMs: writes to it, pulls its HSMs out, and ends its agents.
import type { HsmSet } from "./hsm-set/hsm-set.ts";
import { type MemberName, SET_NAME } from "./hsm-set/plan.ts";

export const SET_HELP = `  device put PATH KEY=VALUE...
                          write the secret at PATH to the set ${SET_NAME} of two HSMs
  device unplug|plug a|b  pull an HSM of the set out, or put it back
  agent stop|start a|b    kill the agent of an HSM of the set, as a node does that fails`;

/** What there is to see of the set, for the beginning. */
export const SET_INTRODUCTION = `
Two more HSMs are one store, the set ${SET_NAME}: HSM-A on node-a takes writes, and HSM-B on node-b is its mirror. Write to it with
  device put secrets/default/shared password=one
and have it as a Secret:
  kubectl apply -f - <<'END'
  apiVersion: hsm.j5t.io/v1alpha1
  kind: HSMSecret
  metadata: {name: shared, namespace: default}
  spec: {device: ${SET_NAME}, syncInterval: 5}
  END
  kubectl get hsmdevices,pods -n keyswitch -w
Then write agent stop a, here: HSM-B answers reads at once, and takes writes 40 s later. What the set does is told here.`;

const NONE = "there is no set of HSMs here: it takes SoftHSM2, and Linux";

const memberOf = (word: string | undefined): MemberName | undefined =>
  word === "a" || word === "b" ? word : undefined;

/** `device unplug|plug NAME`; undefined where the words are not what it takes. */
export const moveDevice = async (
  set: HsmSet | undefined,
  [action, name, ...more]: readonly string[],
): Promise<string | undefined> => {
  const member = memberOf(name);
  if (member === undefined || more.length > 0 || (action !== "unplug" && action !== "plug")) return undefined;
  if (set === undefined) return NONE;
  await set[action](member);
  return action === "unplug"
    ? `HSM ${member} is out: discovery sees it within 5 s, and its agent can't read its token`
    : `HSM ${member} is in`;
};

/** `device put PATH KEY=VALUE…`, whose keys are `keys`. */
export const putOnSet = async (
  set: HsmSet | undefined,
  path: string,
  keys: Readonly<Record<string, string>>,
): Promise<string> => {
  if (set === undefined) return NONE;
  await set.put(path, keys);
  return `${path} in the set holds ${Object.keys(keys).join(", ")}`;
};

/** `agent stop|start NAME`; undefined where the words are not what it takes. */
export const switchAgent = async (
  set: HsmSet | undefined,
  [action, name, ...more]: readonly string[],
): Promise<string | undefined> => {
  const member = memberOf(name);
  if (member === undefined || more.length > 0) return undefined;
  if (set === undefined) return NONE;
  if (action === "stop") await set.stopAgent(member);
  else if (action === "start") await set.startAgent(member);
  else return undefined;
  return `agent ${member}: ${action === "stop" ? "killed" : "runs"}`;
};
