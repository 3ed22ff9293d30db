// SPDX-License-Identifier: Apache-2.0
// Encodes and decodes APDUs (ISO/IEC 7816-4, section 5.1), short and of extended length.

/** A command as the applet reads it. `le` is the number of bytes that may come back; undefined: none. */
export type Command = {
  cla: number;
  ins: number;
  p1: number;
  p2: number;
  data: Buffer;
  le: number | undefined;
};

/** The status words that the applet answers with. */
export const SW = {
  OK: 0x9000,
  END_OF_FILE: 0x6282,
  WRONG_PIN: 0x63c0,
  MEMORY_FAILURE: 0x6581,
  WRONG_LENGTH: 0x6700,
  NOT_AUTHENTICATED: 0x6982,
  BLOCKED: 0x6983,
  NOT_INITIALISED: 0x6984,
  WRONG_DATA: 0x6a80,
  FILE_NOT_FOUND: 0x6a82,
  WRONG_P1P2: 0x6a86,
  NO_REFERENCE: 0x6a88,
  INS_NOT_SUPPORTED: 0x6d00,
} as const;

export type Response = { data: Buffer; sw: number };

export const respond = (sw: number, data: Buffer = Buffer.alloc(0)): Response => ({ sw, data });

/** The bytes of a response. */
export const encodeResponse = ({ data, sw }: Response): Buffer =>
  Buffer.concat([data, Buffer.from([sw >> 8, sw & 0xff])]);

/** The command in `bytes`; undefined where its lengths contradict each other. */
export const parseCommand = (bytes: Buffer): Command | undefined => {
  if (bytes.length < 4) return undefined;
  const [cla = 0, ins = 0, p1 = 0, p2 = 0, first = 0] = bytes;
  const fields = fieldsOf(bytes.subarray(4), first);
  return fields && { cla, ins, p1, p2, ...fields };
};

/** The data and the length of the answer (Le) that are wanted, after the four bytes of the head: ISO 7816-4, 5.2. */
const fieldsOf = (body: Buffer, first: number): Pick<Command, "data" | "le"> | undefined => {
  const none = Buffer.alloc(0);
  if (body.length === 0) return { data: none, le: undefined };
  if (body.length === 1) return { data: none, le: first === 0 ? 256 : first };
  if (first !== 0 || body.length === 2) {
    const fields = dataAndRest(body, 1, first);
    return fields && { data: fields.data, le: fields.rest.length === 0 ? undefined : fields.rest[0] || 256 };
  }
  if (body.length === 3) return { data: none, le: body.readUInt16BE(1) || 65_536 };
  const fields = dataAndRest(body, 3, body.readUInt16BE(1));
  return (
    fields && {
      data: fields.data,
      le: fields.rest.length === 0 ? undefined : fields.rest.readUInt16BE(0) || 65_536,
    }
  );
};

/** `lc` bytes of data, and what is left for Le; undefined where there are less bytes of data, or more than Le can have. */
const dataAndRest = (
  body: Buffer,
  offset: number,
  lc: number,
): { data: Buffer; rest: Buffer } | undefined => {
  const data = body.subarray(offset, offset + lc);
  const rest = body.subarray(offset + lc);
  const mostRest = offset === 3 ? 2 : 1;
  return data.length !== lc || rest.length > mostRest ? undefined : { data, rest };
};
