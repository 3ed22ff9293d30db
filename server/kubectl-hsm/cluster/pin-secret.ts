// SPDX-License-Identifier: Apache-2.0
// Reads and updates the Secret from which the agent reads its PIN: checked before the token's PIN is changed, written
// afterwards.
import { Type } from "@sinclair/typebox";
import { toBase64 } from "../../../hooks/formats.ts";
import { StringMap } from "../../../hooks/kubernetes.ts";
import { compileSchema } from "../../http/validation.ts";
import { CommandFailed } from "../exit-codes.ts";
import type { Kubectl } from "./kubectl.ts";

const PinSecret = compileSchema(
  Type.Object({
    metadata: Type.Object({ resourceVersion: Type.String(), annotations: Type.Optional(StringMap) }),
    data: StringMap,
  }),
);

/** manifests/agent mounts this key. */
const PIN_KEY = "pin";

/** Data, with values in base64, and annotations. */
type Content = { data: StringMap; annotations: StringMap };

/** A Secret as one reads it, and writes it in steps. */
export type EditedSecret = {
  /** As of the last read or write. */
  readonly content: Content;
  /** Makes it what `edit` says, which is asked again where somebody else has changed it meanwhile. */
  edit(edit: (content: Content) => Content): Promise<void>;
};

/** How often a Secret is read and written again that others change at the same time. */
const EDIT_TRIES = 5;

/** @throws CommandFailed where it is missing or lacks `key` */
export const editSecret = async (
  kubectl: Kubectl,
  { namespace, name, key }: { namespace: string; name: string; key: string },
): Promise<EditedSecret> => {
  const read = async () => {
    const object = await kubectl.get(["secret", name, "-n", namespace]);
    if (!PinSecret.Check(object) || object.data[key] === undefined) {
      throw new CommandFailed("usage", `the Secret ${namespace}/${name} is missing, or has no key ${key}`);
    }
    return object;
  };
  const contentOf = ({ data, metadata }: Awaited<ReturnType<typeof read>>): Content => ({
    data,
    annotations: metadata.annotations ?? {},
  });
  let object = await read();
  return {
    get content() {
      return contentOf(object);
    },
    async edit(edit) {
      for (let tries = 1; ; tries += 1) {
        const { data, annotations } = edit(contentOf(object));
        const next = { ...object, data, metadata: { ...object.metadata, annotations } };
        try {
          await kubectl.run(["replace", "-n", namespace, "-f", "-", "-o", "name"], JSON.stringify(next));
          object = await read();
          return;
        } catch (error) {
          if (!(error instanceof CommandFailed) || tries >= EDIT_TRIES) throw error;
          object = await read();
        }
      }
    },
  };
};

export type PinSecret = { name: string; namespace: string; object: Record<string, unknown>; data: StringMap };

/** @throws CommandFailed where it is missing, or this user may not write it. */
export const readPinSecret = async (
  kubectl: Kubectl,
  namespace: string,
  name: string,
): Promise<PinSecret> => {
  const object = await kubectl.get(["secret", name, "-n", namespace]);
  if (!PinSecret.Check(object) || object.data[PIN_KEY] === undefined) {
    throw new CommandFailed(
      "usage",
      `the Secret ${namespace}/${name} is missing, or has no key ${PIN_KEY}: name it with --pin-secret, or --agent-only leaves it out. The PIN was not changed`,
    );
  }
  const secret = { name, namespace, object: { ...object }, data: object.data };
  // The same content, to see whether it may be written: better now than when the token's PIN has changed.
  await replace(kubectl, secret, object.data, ["--dry-run=server"]);
  return secret;
};

/** @throws CommandFailed where it was changed meanwhile, or can't be written. */
export const writePin = (kubectl: Kubectl, secret: PinSecret, pin: string): Promise<void> =>
  replace(kubectl, secret, { ...secret.data, [PIN_KEY]: toBase64(pin) }, []);

/** With the resourceVersion that was read, so that nobody's change is undone. Not an apply, which would copy the PIN. */
const replace = async (
  kubectl: Kubectl,
  { object, namespace }: PinSecret,
  data: StringMap,
  options: readonly string[],
): Promise<void> => {
  const input = JSON.stringify({ ...object, data });
  await kubectl.run(["replace", "-n", namespace, "-f", "-", "-o", "name", ...options], input);
};
