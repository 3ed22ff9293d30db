// SPDX-License-Identifier: Apache-2.0
// Takes the names of functions out of a WebAssembly module: V8 keeps all bytes of a module in memory for as long as it runs.

/** Magic number and version. https://webassembly.github.io/spec/core/binary/modules.html */
const HEADER_BYTES = 8;
const CUSTOM = 0;

type Section = { readonly start: number; readonly end: number; readonly name: string | undefined };

/** The unsigned LEB128 number at `at`, and where it ends. */
const numberAt = (bytes: Uint8Array, at: number): { readonly value: number; readonly end: number } => {
  let value = 0;
  for (let end = at, factor = 1; ; factor *= 128) {
    const byte = bytes[end];
    if (byte === undefined) throw new Error("a WebAssembly module ends within a number");
    end += 1;
    value += (byte & 0x7f) * factor;
    if (byte < 0x80) return { value, end };
  }
};

const sectionAt = (bytes: Uint8Array, start: number): Section => {
  const size = numberAt(bytes, start + 1);
  const end = size.end + size.value;
  if (end > bytes.length) throw new Error("a WebAssembly module ends within a section");
  if (bytes[start] !== CUSTOM) return { start, end, name: undefined };
  const length = numberAt(bytes, size.end);
  const name = Buffer.from(bytes.subarray(length.end, length.end + length.value)).toString();
  return { start, end, name };
};

/** `module` without the names that its stacks and profiles would show. @throws Error where it is cut off */
export const namelessWasm = (module: Uint8Array): Uint8Array => {
  const parts = [module.subarray(0, HEADER_BYTES)];
  for (let at = HEADER_BYTES; at < module.length; ) {
    const { start, end, name } = sectionAt(module, at);
    if (name !== "name") parts.push(module.subarray(start, end));
    at = end;
  }
  return Buffer.concat(parts);
};
