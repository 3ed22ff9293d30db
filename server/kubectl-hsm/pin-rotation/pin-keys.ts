// SPDX-License-Identifier: Apache-2.0
// Says what the Secret of an HSMDevice's PIN means for each agent, and what it is to hold at each step of a rotation.
import { fromBase64, ownProperty, toBase64 } from "../../../hooks/formats.ts";
import { ownPinKey } from "../../../hooks/hsmdevice/names.ts";
import type { StringMap } from "../../../hooks/kubernetes.ts";

/** Names the agent whose token may have either PIN: its change is under way, or was cut. */
export const UNDER_WAY = "hsm.j5t.io/pin-change-under-way";

/** The part of a Secret that a rotation reads and writes. Values are base64. */
export type PinContent = { data: StringMap; annotations: StringMap };

export type PinKeys = ReturnType<typeof pinKeys>;

const without = (map: StringMap, names: readonly string[]): StringMap =>
  Object.fromEntries(Object.entries(map).filter(([name]) => !names.includes(name)));

const marked = (annotations: StringMap, agent: string | undefined): StringMap => ({
  ...without(annotations, [UNDER_WAY]),
  ...(agent !== undefined && { [UNDER_WAY]: agent }),
});

/**
 * The meaning of a Secret whose shared key is `key`. `<key>.<agent>` counts in its place for one agent; `<key>.next` is the PIN that
 * a rotation sets, from before the first token has it until the last has. An agent's name ends with ten digits of a hash, so that none
 * is `next`.
 */
export const pinKeys = (key: string) => {
  const nextKey = `${key}.next`;
  const value = ({ data }: PinContent, name: string): string | undefined => {
    const base64 = ownProperty(data, name);
    return base64 === undefined
      ? undefined
      : fromBase64(base64)
          .toString("utf8")
          .replace(/\r?\n$/, "");
  };
  const pinOf = (content: PinContent, agent: string): string | undefined =>
    value(content, ownPinKey(key, agent)) ?? value(content, key);
  return {
    /** The PIN that the agent has, and its token. */
    pinOf,
    shared: (content: PinContent): string | undefined => value(content, key),
    /** The PIN that is being set. */
    next: (content: PinContent): string | undefined => value(content, nextKey),
    /** The agent whose token may have either PIN. */
    underWay: ({ annotations }: PinContent): string | undefined => ownProperty(annotations, UNDER_WAY),
    /** Whether the agent has a key of its own. */
    hasOwn: ({ data }: PinContent, agent: string): boolean => Object.hasOwn(data, ownPinKey(key, agent)),

    /** Before the token of `agent` is given the PIN `next`. */
    begun: ({ data, annotations }: PinContent, agent: string, next: string): PinContent => ({
      data: { ...data, [nextKey]: toBase64(next) },
      annotations: marked(annotations, agent),
    }),
    /** The token of `agent` has the PIN. */
    changed: ({ data, annotations }: PinContent, agent: string, pin: string): PinContent => ({
      data: { ...data, [ownPinKey(key, agent)]: toBase64(pin) },
      annotations: marked(annotations, undefined),
    }),
    /** No token's PIN is in doubt; `keepNext`: some have the new one. */
    settled: ({ data, annotations }: PinContent, keepNext: boolean): PinContent => ({
      data: keepNext ? data : without(data, [nextKey]),
      annotations: marked(annotations, undefined),
    }),
    /** All have `next` but those that keep their PIN in a key of their own, as do those that have the new one for now. */
    shareNext: (content: PinContent, next: string, members: readonly string[]): PinContent => {
      const own = members.flatMap((agent) => {
        const pin = pinOf(content, agent);
        return pin === undefined || pin === next ? [] : [[ownPinKey(key, agent), toBase64(pin)]];
      });
      const data = { ...without(content.data, [nextKey]), ...Object.fromEntries(own), [key]: toBase64(next) };
      return { data, annotations: marked(content.annotations, undefined) };
    },
    /** Without the keys of `members` that say what the shared one says. */
    tidied: (content: PinContent, members: readonly string[]): PinContent => {
      const needless = members.map((agent) => ownPinKey(key, agent));
      const same = needless.filter((name) => value(content, name) === value(content, key));
      return { data: without(content.data, same), annotations: content.annotations };
    },
  };
};
