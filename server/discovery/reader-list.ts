// SPDX-License-Identifier: Apache-2.0
// Parses libccid's Info.plist: vendor, product and name of the readers that it drives.
import { readFile } from "node:fs/promises";
import { Parser } from "htmlparser2";

/** `vendor:product` in lower-case hexadecimal → the reader's name. */
export type Readers = ReadonlyMap<string, string>;

/** Three arrays of one length: the n-th of each is of the n-th reader. */
const ARRAYS = ["ifdVendorID", "ifdProductID", "ifdFriendlyName"] as const;
const HEX_ID = /^0x([0-9a-f]{1,4})$/i;

/** The arrays of strings in a property list by their keys. */
const arraysIn = (plist: string): Map<string, string[]> => {
  const arrays = new Map<string, string[]>();
  let [text, key] = ["", ""];
  let open: string[] | undefined;
  const parser = new Parser(
    {
      onopentag(name) {
        text = "";
        if (name !== "array") return;
        open = [];
        arrays.set(key, open);
      },
      ontext(more) {
        text += more;
      },
      onclosetag(name) {
        if (name === "key") key = text.trim();
        else if (name === "array") open = undefined;
        else if (name === "string") open?.push(text.trim());
      },
    },
    { xmlMode: true },
  );
  parser.end(plist);
  return arrays;
};

const usbId = (text: string | undefined): string | undefined =>
  text === undefined ? undefined : HEX_ID.exec(text)?.[1]?.toLowerCase().padStart(4, "0");

/** Undefined where the text is not such a list. An entry whose ids are none is left out. */
export const parseReaderList = (plist: string): Readers | undefined => {
  const arrays = arraysIn(plist);
  const [vendors, products, names] = ARRAYS.map((key) => arrays.get(key));
  if (vendors === undefined || vendors.length === 0) return undefined;
  if (vendors.length !== products?.length || vendors.length !== names?.length) return undefined;
  const readers = new Map<string, string>();
  for (const [index, vendor] of vendors.entries()) {
    const [vendorId, productId] = [usbId(vendor), usbId(products[index])];
    if (vendorId !== undefined && productId !== undefined) {
      readers.set(`${vendorId}:${productId}`, names[index] ?? "");
    }
  }
  return readers;
};

/** The readers of the first of the files that is there, and what to warn of: without a list the known ids are found still. */
export const readReaderList = async (
  paths: readonly string[],
): Promise<{ readers: Readers; warning?: string }> => {
  for (const path of paths) {
    const plist = await readFile(path, "utf8").catch(() => undefined);
    if (plist === undefined) continue;
    const readers = parseReaderList(plist);
    if (readers !== undefined) return { readers };
    return {
      readers: new Map(),
      warning: `${path} has no ${ARRAYS.join(", ")} of one length: readers that libccid drives are not told from other devices`,
    };
  }
  return {
    readers: new Map(),
    warning: `none of ${paths.join(", ")} can be read (CCID_READER_LIST): readers that libccid drives are not told from other devices`,
  };
};
