// SPDX-License-Identifier: Apache-2.0
// Says what the set of HSMs of a local run is called and where it is, and what the installation needs for it.
import { randomInt } from "node:crypto";

/** Where the HSMDevice is; its set is named like it in AGENTS. */
export const NAMESPACE = "keyswitch";
/** The HSMDevice, and the set in `spec.device` of an HSMSecret. */
export const SET_NAME = "pair";

/** What `device` and `agent` at the prompt take for a name. */
export type MemberName = "a" | "b";

/** A node with one HSM; the node has an address of loopback, so that the ports are those of the manifests. */
export type Place = {
  readonly name: MemberName;
  readonly node: string;
  readonly host: string;
  /** The HSM's serial number, which is its id. */
  readonly serial: string;
};

export type SetPlan = {
  readonly places: readonly Place[];
  /** Of scripts/credentials.sh. */
  readonly credentials: readonly string[];
  /** The entry of the webhook's AGENTS. */
  readonly agents: string;
  /** Further variables of the webhook. */
  readonly webhookEnv: Readonly<Record<string, string>>;
};

/** The name of the set's Service. */
const SERVICE = `hsm-${SET_NAME}.${NAMESPACE}.svc`;

/** A set at addresses of loopback that hardly anybody else has. */
export const planSet = (): SetPlan => {
  const network = `127.${randomInt(1, 255)}.${randomInt(0, 256)}`;
  const places = (["a", "b"] as const).map((name, index) => ({
    name,
    node: `node-${name}`,
    host: `${network}.${index + 1}`,
    serial: `HSM-${name.toUpperCase()}`,
  }));
  const hosts = places.map(({ host }) => host);
  return {
    places,
    credentials: [
      ...["--only", "tls,tokens,pin,discovery,role"],
      ...[SERVICE, ...hosts].flatMap((name) => ["--san", `agent=${name}`]),
    ],
    agents: `${SET_NAME}=dns+https://${SERVICE}:8444`,
    webhookEnv: { SERVICE_ADDRESSES: `${SERVICE}=${hosts.join(" ")}` },
  };
};
