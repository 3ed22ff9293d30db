// SPDX-License-Identifier: Apache-2.0
// Encodes and decodes the label and application of a data object.
//
// OpenSC and others read text attributes up to a NUL, whatever length PKCS#11 gives. Earlier versions of Keyswitch passed
// them without one, so that what stood behind them in memory was written to the token as well. Such names are recognised here.
import { JOURNAL_APPLICATION, PACKED_APPLICATION, PER_KEY_APPLICATION } from "../../storage/path.ts";
import type { ObjectName } from "../../storage/secret.ts";

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const lenient = new TextDecoder("utf-8", { ignoreBOM: true });

/** A text attribute of a template. The binding ends a string, other than a Buffer, with a NUL behind its length. */
export const textAttribute = (type: number, text: string): { type: number; value: string } => ({
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

export type ReadName = ObjectName & { damaged: boolean };

/**
 * The name in the attributes' bytes; what is no UTF-8 in it is shown as U+FFFD, which no label of ours has. A packed object or a journal
 * has a path as its label, so that anything else behind one is damage. An object of the shared per-key layout may have any
 * label: it counts as damaged where its application is, or where it has control characters.
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
