// SPDX-License-Identifier: Apache-2.0
// Encodes and decodes the packed layout: a whole secret in one CBOR object (RFC 8949), or in numbered parts where it is too
// large.
import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { decode, encode } from "cborg";
import { checksum } from "../../../hooks/checksum.ts";
import { isKeyName, PACKED_APPLICATION, type TokenObject } from "./path.ts";
import { isTombstone, type LayoutContent, Metadata } from "./per-key.ts";

/** What is packed: `version` counts writes, from 1. */
export type PackedSecret = { version: number; keys: ReadonlyMap<string, Uint8Array>; metadata: Metadata };

const Version = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });

/** The CBOR map of a whole secret, with its maps as entries: a key may be called `__proto__`. */
const Whole = Type.Object({
  version: Version,
  keys: Type.Array(Type.Tuple([Type.String(), Type.Uint8Array()])),
  metadata: Metadata,
  checksum: Type.String(),
});
type Whole = Static<typeof Whole>;

/** The CBOR map of one part, `part` counted from 1. The chunks in order are the CBOR of the whole. */
const Part = Type.Object({
  version: Version,
  part: Type.Integer({ minimum: 1 }),
  parts: Type.Integer({ minimum: 1, maximum: 65_536 }),
  checksum: Type.String(),
  chunk: Type.Uint8Array(),
});
type Part = Static<typeof Part>;

/** Maps with text keys as objects, all the way down; other values as they are. */
const plain = (value: unknown): unknown => {
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, item]) => [key, plain(item)]));
  return Array.isArray(value) ? value.map(plain) : value;
};

/** The CBOR value in `bytes` with its top-level map as an object and `keys` as entries. Undefined: not a CBOR map. */
const readCbor = (bytes: Uint8Array): unknown => {
  try {
    const map: unknown = decode(bytes, { useMaps: true, rejectDuplicateMapKeys: true });
    if (!(map instanceof Map)) return undefined;
    return Object.fromEntries(
      [...map].map(([name, item]) => [
        name,
        name === "keys" && item instanceof Map ? [...item] : plain(item),
      ]),
    );
  } catch {
    return undefined; // not CBOR: the object is cut off or somebody else's
  }
};

/** The whole secret in `bytes` when it is complete: its checksum is that of its keys. */
const completeWhole = (bytes: Uint8Array): Whole | undefined => {
  const whole = readCbor(bytes);
  if (!Value.Check(Whole, whole)) return undefined;
  if (!whole.keys.every(([name]) => isKeyName(name))) return undefined;
  return checksum(whole.keys) === whole.checksum ? whole : undefined;
};

/** The whole secret that `parts` of one write make, when none is missing or told twice differently. */
const assemble = (parts: readonly Part[]): Whole | undefined => {
  const [first] = parts;
  if (first === undefined) return undefined;
  const chunks = new Map<number, Uint8Array>();
  for (const { part, chunk } of parts) {
    const earlier = chunks.get(part);
    if (part > first.parts || (earlier !== undefined && Buffer.compare(earlier, chunk) !== 0)) {
      return undefined;
    }
    chunks.set(part, chunk);
  }
  if (chunks.size !== first.parts) return undefined;
  const inOrder = [...chunks].sort(([a], [b]) => a - b).map(([, chunk]) => chunk);
  const whole = completeWhole(Buffer.concat(inOrder));
  return whole?.version === first.version && whole.checksum === first.checksum ? whole : undefined;
};

/** Every complete secret that the values hold, whole or in parts. */
const completeWholes = (values: readonly Uint8Array[]): Whole[] => {
  const wholes: (Whole | undefined)[] = [];
  const writes = new Map<string, Part[]>();
  for (const value of values) {
    wholes.push(completeWhole(value));
    const part = readCbor(value);
    if (!Value.Check(Part, part)) continue;
    const write = `${part.version} ${part.parts} ${part.checksum}`;
    writes.set(write, [...(writes.get(write) ?? []), part]);
  }
  for (const parts of writes.values()) wholes.push(assemble(parts));
  return wholes.filter((whole) => whole !== undefined);
};

const packedAt = <O extends TokenObject>(path: string, objects: Iterable<O>): O[] =>
  [...objects].filter(({ label, application }) => application === PACKED_APPLICATION && label === path);

/**
 * The packed secret at `path` among `objects`: the highest complete version. Where objects have the label but none is
 * complete, the answer is `invalid` and not `none`, because a token that hides objects looks the same.
 */
export const decodePacked = (path: string, objects: Iterable<TokenObject>): LayoutContent => {
  const values = packedAt(path, objects).map(({ value }) => value);
  if (values.length === 0) return { kind: "none" };
  const wholes = completeWholes(values);
  const version = Math.max(...wholes.map((whole) => whole.version));
  const [newest, ...others] = wholes.filter((whole) => whole.version === version);
  if (newest === undefined) {
    return {
      kind: "invalid",
      message: `${path}: no packed version is complete (${values.length} objects seen)`,
    };
  }
  if (others.some((other) => other.checksum !== newest.checksum)) {
    return { kind: "invalid", message: `${path}: two different secrets are packed as version ${version}` };
  }
  if (isTombstone(newest.metadata)) return { kind: "tombstone", version };
  return { kind: "secret", version, keys: new Map(newest.keys), metadata: newest.metadata };
};

/** The highest version that a packed object at `path` tells of, complete or not; 0 where none does. */
export const highestPackedVersion = (path: string, objects: Iterable<TokenObject>): number =>
  Math.max(0, ...packedVersions(path, objects).map(({ version }) => version));

const Versioned = Type.Object({ version: Version });

/** The packed objects at `path` that tell a version. */
const packedVersions = <O extends TokenObject>(
  path: string,
  objects: Iterable<O>,
): { object: O; version: number }[] =>
  packedAt(path, objects).flatMap((object) => {
    const told = readCbor(object.value);
    return Value.Check(Versioned, told) ? [{ object, version: told.version }] : [];
  });

/** The packed objects at `path` that a newer complete version has made superfluous. */
export const supersededPacked = <O extends TokenObject>(path: string, objects: readonly O[]): O[] => {
  const newest = decodePacked(path, objects);
  if (newest.kind !== "secret" && newest.kind !== "tombstone") return [];
  return packedVersions(path, objects)
    .filter(({ version }) => version < newest.version)
    .map(({ object }) => object);
};

/** What a part's map takes beside its chunk, with room to spare: field names, numbers, the checksum, CBOR heads. */
const PART_OVERHEAD = 160;

/**
 * The values of the objects that hold `secret`: one, or numbered parts of at most `maxBytes` each. Every object's
 * label is the path and its application PACKED_APPLICATION. Throws RangeError where `maxBytes` is too small for any.
 */
export const encodePacked = (
  secret: PackedSecret,
  maxBytes: number = Number.POSITIVE_INFINITY,
): Uint8Array[] => {
  const sum = checksum(secret.keys);
  const keys = new Map(secret.keys);
  const { version, metadata } = secret;
  const whole = encode(new Map<string, unknown>(Object.entries({ version, keys, metadata, checksum: sum })));
  if (whole.length <= maxBytes) return [whole];
  const room = maxBytes - PART_OVERHEAD;
  if (room < 1) throw new RangeError(`objects of ${maxBytes} bytes can't hold a packed secret`);
  const parts = Math.ceil(whole.length / room);
  return Array.from({ length: parts }, (_, index) =>
    encode({
      version,
      part: index + 1,
      parts,
      checksum: sum,
      chunk: whole.subarray(index * room, (index + 1) * room),
    }),
  );
};
