// SPDX-License-Identifier: Apache-2.0
// Accesses the data objects of an attached token: lists them for the index, reads values by handle, creates and destroys them.
import type { Session } from "graphene-pk11";
import { ObjectClass } from "graphene-pk11";
import pkcs11js from "pkcs11js";
import type { TokenObject } from "../../storage/path.ts";
import { isStaleHandle, isUnreadableAttribute } from "../ckr.ts";
import type { IndexedObject } from "./label-index.ts";
import { CkrError, callModule } from "./module-call.ts";
import { type ReadName, readName, textAttribute } from "./object-name.ts";

/** How many handles one C_FindObjects asks for. It is asked until it has no more. */
const FIND_BATCH = 256;

/** How often a listing is begun before the token counts as too restless to be listed. */
const LISTING_TRIES = 5;

/** How long to work before letting reads in between, in milliseconds. */
export const SLICE_MS = 10;

const bytesOf = (value: unknown): Uint8Array => (Buffer.isBuffer(value) ? value : Buffer.alloc(0));

/** An object with its value and the handle that the module knows it by. */
export type ReadObject = TokenObject & { handle: Buffer };

/** The attributes of one object in one call of the module, in the order of `types`. */
const attributes = (session: Session, handle: Buffer, types: readonly number[]): Uint8Array[] =>
  callModule("C_GetAttributeValue", () =>
    session.lib.C_GetAttributeValue(
      session.handle,
      handle,
      types.map((type) => ({ type })),
    ),
  ).map(({ value }) => bytesOf(value));

const DATA_OBJECTS = [
  { type: pkcs11js.CKA_CLASS, value: ObjectClass.DATA },
  { type: pkcs11js.CKA_TOKEN, value: true },
];

/** The handles of all data objects of the token. */
export const findDataObjects = (session: Session): Buffer[] => find(session, DATA_OBJECTS);

/** How many objects of all kinds the module shows, its own among them. */
export const countAllObjects = (session: Session): number => find(session, []).length;

const find = (session: Session, template: pkcs11js.Template): Buffer[] => {
  callModule("C_FindObjectsInit", () => session.lib.C_FindObjectsInit(session.handle, template));
  const handles: Buffer[] = [];
  try {
    for (;;) {
      const batch = callModule("C_FindObjects", () => session.lib.C_FindObjects(session.handle, FIND_BATCH));
      if (batch.length === 0) return handles;
      handles.push(...batch);
    }
  } finally {
    callModule("C_FindObjectsFinal", () => session.lib.C_FindObjectsFinal(session.handle));
  }
};

/** Label and application of an object, whether it is public, and the value if that is among `more`. */
const named = (
  session: Session,
  handle: Buffer,
  more: readonly number[],
): ReadName & { isPublic?: boolean; value?: Uint8Array } => {
  const types = [pkcs11js.CKA_LABEL, pkcs11js.CKA_APPLICATION, ...more];
  const read = (): { isPrivate: Uint8Array | undefined; rest: Uint8Array[] } => {
    try {
      const [isPrivate, ...rest] = attributes(session, handle, [pkcs11js.CKA_PRIVATE, ...types]);
      return { isPrivate, rest };
    } catch (error) {
      if (!(error instanceof CkrError && isUnreadableAttribute(error.value))) throw error;
      // What the module does not say is private is none; or it is another attribute that can't be read.
      return { isPrivate: undefined, rest: attributes(session, handle, types) };
    }
  };
  const { isPrivate, rest } = read();
  const [label = new Uint8Array(), application = new Uint8Array(), value] = rest;
  const isPublic = isPrivate?.[0] !== 1;
  return { ...readName(label, application), ...(isPublic && { isPublic }), ...(value && { value }) };
};

/** The name of the object behind a handle; `nameless` where it has none that can be read, `stale` where it is gone. */
export const objectName = (session: Session, handle: Buffer): IndexedObject | "nameless" | "stale" => {
  try {
    return { handle, ...named(session, handle, []) };
  } catch (error) {
    if (error instanceof CkrError && isStaleHandle(error.value)) return "stale";
    if (error instanceof CkrError && isUnreadableAttribute(error.value)) return "nameless";
    throw error;
  }
};

/**
 * Runs `step` over `items`, and lets other work in between whenever it has been busy for SLICE_MS. `progress` is told
 * each time.
 */
export const inSlices = async <T>(
  items: Iterable<T>,
  progress: () => void,
  step: (item: T) => void,
): Promise<void> => {
  let since = performance.now();
  for (const item of items) {
    step(item);
    if (performance.now() - since < SLICE_MS) continue;
    progress();
    await new Promise((resolve) => setImmediate(resolve));
    since = performance.now();
  }
};

/** All data objects: those with a name, and the handles of those without. */
export type Listing = { objects: IndexedObject[]; nameless: Buffer[] };

/**
 * Names and handles of every data object on the token, read in slices. Starts over when an object went away meanwhile,
 * as what replaced it is not among the handles; `stale` when that does not stop.
 */
export const listObjects = async (session: Session, progress: () => void): Promise<Listing | "stale"> => {
  for (let tries = 0; tries < LISTING_TRIES; tries += 1) {
    const handles = findDataObjects(session);
    progress();
    const objects: IndexedObject[] = [];
    const nameless: Buffer[] = [];
    let whole = true;
    await inSlices(handles, progress, (handle) => {
      const object = whole ? objectName(session, handle) : "stale";
      if (object === "stale") whole = false;
      else if (object === "nameless") nameless.push(handle);
      else objects.push(object);
    });
    if (whole) return { objects, nameless };
  }
  return "stale";
};

/**
 * The object with its value; `stale` where the handle no longer leads to the object that the index meant, `unreadable`
 * where the token does not give the value away. `tolerant`: any failure of the module is the object's own.
 */
export const readObject = (
  session: Session,
  object: IndexedObject,
  tolerant = false,
): ReadObject | "stale" | "unreadable" => {
  try {
    const { value, ...name } = named(session, object.handle, [pkcs11js.CKA_VALUE]);
    if (name.label !== object.label || name.application !== object.application || value === undefined) {
      return "stale";
    }
    return { ...name, value, handle: object.handle };
  } catch (error) {
    if (!(error instanceof CkrError)) throw error;
    if (isStaleHandle(error.value)) return "stale";
    if (tolerant || isUnreadableAttribute(error.value)) return "unreadable";
    throw error;
  }
};

/** Makes a private data object on the token and answers its handle. */
export const createObject = (session: Session, { label, application, value }: TokenObject): Buffer =>
  callModule("C_CreateObject", () =>
    session.lib.C_CreateObject(session.handle, [
      { type: pkcs11js.CKA_CLASS, value: ObjectClass.DATA },
      { type: pkcs11js.CKA_TOKEN, value: true },
      { type: pkcs11js.CKA_PRIVATE, value: true },
      { type: pkcs11js.CKA_MODIFIABLE, value: true },
      textAttribute(pkcs11js.CKA_APPLICATION, application),
      textAttribute(pkcs11js.CKA_LABEL, label),
      { type: pkcs11js.CKA_VALUE, value: Buffer.from(value) },
    ]),
  );

/** Removes an object; one that is gone already is as good. */
export const destroyObject = (session: Session, handle: Buffer): void => {
  try {
    callModule("C_DestroyObject", () => session.lib.C_DestroyObject(session.handle, handle));
  } catch (error) {
    if (!(error instanceof CkrError && isStaleHandle(error.value))) throw error;
  }
};
