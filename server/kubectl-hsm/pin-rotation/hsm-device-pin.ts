// SPDX-License-Identifier: Apache-2.0
// Rotates the PIN of all agents of an HSMDevice: which PIN is to be set, with which agents, and what is told of it.
import { agentCredentials, type Connection, connectToPod } from "../agent/connect.ts";
import { type HsmDevice, readHsmDevice } from "../cluster/hsm-device.ts";
import { type EditedSecret, editSecret } from "../cluster/pin-secret.ts";
import type { Context } from "../context.ts";
import { CommandFailed, type ExitName } from "../exit-codes.ts";
import { type PinKeys, pinKeys } from "./pin-keys.ts";
import { type Rotated, rotateMembers } from "./rotate-members.ts";

/** Asks for the new PIN; undefined where none is given and nobody can be asked. `given`: only where it is in a file. */
type NewPin = (given: "in a file" | "or asked for") => Promise<string | undefined>;

/**
 * The PIN to be set: that of a rotation that was cut, the shared one where agents that run still have another, else a new one.
 * @throws CommandFailed where another is given while a token's PIN is in doubt
 */
const nextPin = async (
  { content }: Pick<EditedSecret, "content">,
  keys: PinKeys,
  { members }: HsmDevice,
  newPin: NewPin,
): Promise<string> => {
  const given = await newPin("in a file");
  const begun = keys.next(content);
  const inDoubt = keys.underWay(content);
  if (given !== undefined && inDoubt !== undefined && begun !== given) {
    throw new CommandFailed(
      "usage",
      `a change to another PIN was cut at ${inDoubt}: run this without a new PIN first, which goes on with it. Nothing was changed`,
    );
  }
  if (given !== undefined) return given;
  const shared = keys.shared(content);
  const late = [...members].some(
    ([agent, pod]) =>
      keys.hasOwn(content, agent) && (pod !== undefined || keys.pinOf(content, agent) === shared),
  );
  const asked = begun ?? (late ? shared : await newPin("or asked for"));
  if (asked === undefined) throw new CommandFailed("usage", "there is no new PIN: --new-pin-file");
  return asked;
};

const told = ({ changed, left }: Rotated, secret: string): string[] => [
  changed.length === 0 ? "No token's PIN had to be changed." : `The new PIN is set: ${changed.join(", ")}.`,
  `The Secret ${secret} holds it.`,
  ...(left.length === 0
    ? []
    : [
        `${left.join(", ")}: not there, and so with the former PIN, in a key of its own. Run this again then.`,
      ]),
];

/** Sets one new PIN on the tokens of all agents of the HSMDevice `name`, or goes on with that. @throws CommandFailed */
export const rotateHsmDevicePin = async (
  context: Context,
  name: string,
  newPin: NewPin,
): Promise<ExitName> => {
  const { kubectl, config, output } = context;
  const { keyswitchNamespace: namespace } = config;
  if (config.target.kind === "direct") {
    throw new CommandFailed("usage", "--hsm-device needs the cluster, and goes without --server");
  }
  const device = await readHsmDevice(kubectl, namespace, name);
  const { pin } = device;
  const secret = await editSecret(kubectl, { namespace, name: pin.secret, key: pin.key });
  const keys = pinKeys(pin.key);
  const next = await nextPin(secret, keys, device, newPin);
  const credentials = await agentCredentials(kubectl, namespace, "write");
  const connections = new Map<string, Connection>();
  try {
    for (const [agent, pod] of device.members) {
      if (pod === undefined) continue;
      connections.set(agent, await connectToPod(config, kubectl, pod, credentials));
    }
    const rotated = await rotateMembers({
      secret,
      keys,
      next,
      running: new Map([...connections].map(([agent, { agent: calls }]) => [agent, calls])),
      members: async () => [...(await readHsmDevice(kubectl, namespace, name)).members.keys()],
      progress: (line) => output.note(line),
    });
    const inWords = `${namespace}/${pin.secret}`;
    await output.result({ hsmDevice: name, secret: inWords, ...rotated }, told(rotated, inWords));
    return rotated.left.length === 0 ? "done" : "partial";
  } finally {
    for (const { close } of connections.values()) await close();
  }
};
