// SPDX-License-Identifier: Apache-2.0
// Calls the PKCS#11 module, with its errors translated, to list, read, create and destroy data objects.
import { ObjectClass, type Session } from "graphene-pk11";
import pkcs11js from "pkcs11js";
import {
  JOURNAL_APPLICATION,
  PACKED_APPLICATION,
  PER_KEY_APPLICATION,
  type TokenObject,
} from "../../storage/path.ts";
import type { ObjectName } from "../../storage/secret.ts";
import { ckrName, isStaleHandle, isUnreadableAttribute } from "../ckr.ts";
import type { IndexedObject } from "./label-index.ts";

/** A call of the module that did not return CKR_OK. */
export class CkrError extends Error {
  readonly value: number;
  readonly call: string;
  constructor(value: number, call: string) {
    super(`${call}: ${ckrName(value)}`);
    this.name = "CkrError";
    this.value = value;
    this.call = call;
  }
}

/** The return value in an error of the binding. C_FindObjects throws it raw, all others as Pkcs11Error. */
const returnValue = (error: unknown): number | undefined => {
  if (error instanceof pkcs11js.Pkcs11Error) return error.code;
  if (!(error instanceof Error) || error.stack === undefined) return undefined;
  const translated = new pkcs11js.Pkcs11Error(error.stack);
  return translated.code === 0 ? undefined : translated.code;
};

/** Runs `call`, whose module function is called `name`. Errors that are not the module's pass through: they are bugs. */
export const callModule = <T>(name: string, call: () => T): T => {
  try {
    return call();
  } catch (error) {
    const value = returnValue(error);
    if (value === undefined) throw error;
    throw new CkrError(value, name);
  }
};

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const lenient = new TextDecoder("utf-8", { ignoreBOM: true });

/** A text attribute of a template. The binding ends a string, other than a Buffer, with a NUL behind its length. */
const textAttribute = (type: number, text: string): { type: number; value: string } => ({
  type,
  value: text,
});

const asText = (bytes: Uint8Array): string | undefined => {
  try {
    return strict.decode(bytes);
  } catch {
    return undefined;
  }
};

/** Longest first: one is the beginning of another. */
const OWN_APPLICATIONS = [JOURNAL_APPLICATION, PER_KEY_APPLICATION, PACKED_APPLICATION];

/** The application of ours that the text begins with. A slash would make it another one, perhaps of a later version. */
const ownApplication = (text: string): string | undefined =>
  OWN_APPLICATIONS.find((own) => text.startsWith(own) && text[own.length] !== "/");

/** The characters of a path (design: each segment is letters, digits and `._-`). */
const PATH_TEXT = /^[A-Za-z0-9._/-]*/;

const beginning = (text: string): string => PATH_TEXT.exec(text)?.[0] ?? "";

// biome-ignore lint/suspicious/noControlCharactersInRegex: no writer means them to be in a name
const CONTROL = /[\x00-\x1f\x7f]/;

type ReadName = ObjectName & { damaged: boolean };

/**
 * The name in the attributes' bytes; what is no UTF-8 in it is shown as U+FFFD, which no label of ours has. A packed object or a journal
 * has a path as its label, so that anything else behind one is damage. An object of the shared per-key layout may have any
 * label: it counts as damaged where its application is, or where it has control characters.
 *
 * OpenSC and others read text attributes up to a NUL, whatever length PKCS#11 gives. Earlier versions of Keyswitch passed them without
 * one, so that what stood behind them in memory was written to the token as well. Such names are recognised here.
 */
export const readName = (label: Uint8Array, application: Uint8Array): ReadName => {
  const applicationText = lenient.decode(application);
  const own = ownApplication(applicationText);
  const text = asText(label);
  const shown = text ?? lenient.decode(label);
  if (own === undefined) return { label: shown, application: applicationText, damaged: false };
  const isCut = own !== PER_KEY_APPLICATION || own !== applicationText || CONTROL.test(shown);
  if (!isCut && text === undefined) return { label: shown, application: own, damaged: false };
  const ownLabel = isCut ? beginning(shown) : shown;
  if (ownLabel === "") return { label: shown, application: own, damaged: false };
  return {
    label: ownLabel,
    application: own,
    damaged: ownLabel !== text || own !== applicationText,
  };
};

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
type Listing = { objects: IndexedObject[]; nameless: Buffer[] };

/**
 * Names and handles of every data object on the token, read in slices; those that are `known`, from a listing just before this one,
 * are not read again. Starts over when an object went away meanwhile, as what replaced it is not among the handles; `stale` when
 * that does not stop.
 */
export const listObjects = async (
  session: Session,
  progress: () => void,
  known: (handle: Buffer) => IndexedObject | undefined = () => undefined,
): Promise<Listing | "stale"> => {
  for (let tries = 0; tries < LISTING_TRIES; tries += 1) {
    const handles = findDataObjects(session);
    progress();
    const objects: IndexedObject[] = [];
    const nameless: Buffer[] = [];
    let whole = true;
    await inSlices(handles, progress, (handle) => {
      const object = whole ? (known(handle) ?? objectName(session, handle)) : "stale";
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
