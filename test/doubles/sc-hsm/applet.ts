// SPDX-License-Identifier: Apache-2.0
// Implements the SmartCard-HSM applet as a Pico HSM's firmware does: files, the user PIN and its counter, and the commands.
import { type Command, type Response, respond, SW } from "./apdu.ts";
import { cardVerifiable, keyFiles, tokenInfo } from "./certificates.ts";
import { readTlvs, tlv } from "./tlv.ts";

/** Application identifier of the SmartCard-HSM. */
const AID = Buffer.from("e82b0601040181c31f0201", "hex");

/** References of PINs (P2 of VERIFY). */
const USER_PIN = 0x81;
const SO_PIN = 0x88;

/** File identifiers: device certificate and TokenInfo; and the first bytes of those that come in numbers. */
const EF_DEVICE_CERTIFICATE = 0x2f02;
const EF_TOKEN_INFO = 0x2f03;
const PREFIX = { key: 0xcc, keyDescription: 0xc4, data: 0xcd, dataDescription: 0xc9, caDescription: 0xc8 };

/** Prefixes whose files ENUMERATE OBJECTS lists. */
const LISTED: readonly number[] = [
  PREFIX.key,
  PREFIX.keyDescription,
  PREFIX.caDescription,
  PREFIX.dataDescription,
];

export type CardOptions = {
  pin: string;
  /** 16 hexadecimal digits. */
  soPin: string;
  label?: string;
  /** As a Pico HSM has it: its label is the firmware's, which does not survive an attempt to write another. */
  fixedLabel?: boolean;
  /** Wrong tries before the PIN is blocked. */
  tries?: number;
  /** The largest file, in bytes: 4,032 (firmware 6.6) or 4,096 (5.4). */
  fileBytes?: number;
  /** Of all files together, in bytes. */
  memoryBytes?: number;
  firmware?: readonly [major: number, minor: number];
};

export type PinState = { value: Buffer; left: number; tries: number };

/** What survives when the card has no power. */
export type CardMemory = {
  files: Map<number, Buffer>;
  user: PinState;
  so: PinState;
  fixedLabel: boolean;
  fileBytes: number;
  memoryBytes: number;
  firmware: readonly [number, number];
};

/** The device's own key, which initialising makes anew. */
const deviceKey = (): [fid: number, file: Buffer][] => keyFiles(0, "ESPICOHSMTR");

const pinState = (value: Buffer, tries: number): PinState => ({ value, left: tries, tries });

/** A card as it is after `sc-hsm-tool --initialize`. */
export const initialisedCard = (options: CardOptions): CardMemory => ({
  files: new Map([
    [EF_DEVICE_CERTIFICATE, cardVerifiable("ESPICOHSM00001")],
    [EF_TOKEN_INFO, tokenInfo(options.label ?? "Pico-HSM")],
    ...deviceKey(),
  ]),
  user: pinState(Buffer.from(options.pin), options.tries ?? 3),
  so: pinState(Buffer.from(options.soPin, "hex"), 15),
  fixedLabel: options.fixedLabel ?? false,
  fileBytes: options.fileBytes ?? 4_032,
  memoryBytes: options.memoryBytes ?? 1_000_000,
  firmware: options.firmware ?? [6, 6],
});

/** A card as it leaves the factory: it has no PIN and no name. */
export const factoryCard = (): CardMemory => {
  const memory = initialisedCard({ pin: "", soPin: "" });
  memory.files.delete(EF_TOKEN_INFO);
  memory.user.left = 0;
  memory.so.left = 0;
  return memory;
};

export type Applet = {
  /** Undefined: the firmware has ended at this command. */
  process(command: Command): Response | undefined;
};

/** File control parameters (ISO/IEC 7816-4, section 7.4). */
const controlParameters = (
  fid: number,
  bytes: number,
  type: number,
  more: Buffer = Buffer.alloc(0),
): Buffer =>
  tlv(
    0x6f,
    tlv(0x81, Buffer.from([bytes >> 8, bytes & 0xff])),
    tlv(0x82, Buffer.from([type])),
    tlv(0x83, Buffer.from([fid >> 8, fid & 0xff])),
    tlv(0x8a, Buffer.from([5])),
    more,
  );

/** The offset (tag 54) and, for a write, the data (tag 53) of a command with an odd instruction byte. */
const offsetAndData = (bytes: Buffer): { offset: number; data: Buffer } | undefined => {
  const parts = readTlvs(bytes);
  if (parts === undefined) return undefined;
  const partOf = (tag: number): Buffer => parts.find((part) => part.tag === tag)?.value ?? Buffer.alloc(0);
  const offset = partOf(0x54);
  return { offset: offset.length === 0 ? 0 : offset.readUIntBE(0, offset.length), data: partOf(0x53) };
};

/** What a wrong PIN is answered with: the tries that are left. */
const refusedPin = ({ value, left }: PinState): Response => {
  if (left > 0) return respond(SW.WRONG_PIN | left);
  return respond(value.length === 0 ? SW.NOT_INITIALISED : SW.BLOCKED);
};

/** A file's content after a write; one at offset 0 begins anew. */
const contentAfter = (before: Buffer, { offset, data }: { offset: number; data: Buffer }): Buffer =>
  offset === 0
    ? Buffer.from(data)
    : Buffer.concat([before.subarray(0, offset), data, before.subarray(offset + data.length)]);

/** The applet on `memory`, from power-on until the power goes. */
export const powerOn = (memory: CardMemory): Applet => {
  let authenticated = false;
  let current: number | undefined;

  const used = (): number => [...memory.files.values()].reduce((total, { length }) => total + length, 0);

  const verify = (pin: PinState, data: Buffer, isUser: boolean): Response => {
    if (pin.left === 0) return refusedPin(pin);
    const isAsked = data.length === 0;
    if (isAsked) return respond(isUser && authenticated ? SW.OK : SW.WRONG_PIN | pin.left);
    const isRight = data.equals(pin.value);
    pin.left = isRight ? pin.tries : pin.left - 1;
    if (isUser) authenticated = isRight;
    if (isRight) return respond(SW.OK);
    return refusedPin(pin);
  };

  const select = ({ p1, data }: Command): Response => {
    if (p1 === 0x04) {
      if (!data.equals(AID)) return respond(SW.FILE_NOT_FOUND);
      // Selecting the applet ends the session of whoever was logged in: measured on firmware 5.4 and 6.6.
      authenticated = false;
      current = undefined;
      const options = tlv(0x85, Buffer.from([0, 1, 0xff, ...memory.firmware]));
      return respond(SW.OK, controlParameters(0, 0, 0x38, options));
    }
    const fid = data.length === 2 ? data.readUInt16BE(0) : undefined;
    const file = fid === undefined ? undefined : memory.files.get(fid);
    if (fid === undefined || file === undefined) return respond(SW.FILE_NOT_FOUND);
    current = fid;
    return respond(SW.OK, controlParameters(fid, file.length, 0x01));
  };

  /** The file that P1 and P2 name, or the one that is selected. */
  const fileOf = (p1: number, p2: number): number | undefined => (p1 << 8) | p2 || current;

  const mayBeRead = (fid: number): boolean => {
    const prefix = fid >> 8;
    return prefix !== PREFIX.key && (prefix !== PREFIX.data || authenticated);
  };

  const read = ({ ins, p1, p2, data, le }: Command): Response => {
    const odd = (ins & 1) === 1;
    const fid = odd ? fileOf(p1, p2) : current;
    const offset = odd ? offsetAndData(data)?.offset : ((p1 << 8) | p2) & 0x7fff;
    if (offset === undefined) return respond(SW.WRONG_DATA);
    if (fid === undefined) return respond(SW.FILE_NOT_FOUND);
    const file = memory.files.get(fid);
    if (file === undefined) return respond(SW.FILE_NOT_FOUND);
    if (!mayBeRead(fid)) return respond(SW.NOT_AUTHENTICATED);
    if (offset > file.length) return respond(SW.END_OF_FILE);
    return respond(SW.OK, file.subarray(offset, offset + (le ?? 0)));
  };

  /** Makes `after` the content of a file, if there is room. */
  const store = (fid: number, before: Buffer, after: Buffer): Response => {
    const grown = after.length - before.length;
    if (after.length > memory.fileBytes || used() + grown > memory.memoryBytes) {
      return respond(SW.MEMORY_FAILURE);
    }
    memory.files.set(fid, after);
    return respond(SW.OK);
  };

  const update = ({ p1, p2, data }: Command): Response | undefined => {
    if (!authenticated) return respond(SW.NOT_AUTHENTICATED);
    const fid = fileOf(p1, p2);
    if (fid === EF_TOKEN_INFO && memory.fixedLabel) return undefined;
    const written = offsetAndData(data);
    if (written === undefined) return respond(SW.WRONG_DATA);
    if (fid === undefined) return respond(SW.FILE_NOT_FOUND);
    const before = memory.files.get(fid) ?? Buffer.alloc(0);
    // Nothing at offset 0 makes the file anew, and selects it.
    if (written.offset === 0 && written.data.length === 0) current = fid;
    else if (written.offset > before.length) return respond(SW.WRONG_DATA);
    return store(fid, before, contentAfter(before, written));
  };

  const remove = ({ data }: Command): Response => {
    if (!authenticated) return respond(SW.NOT_AUTHENTICATED);
    const fid = data.length === 2 ? data.readUInt16BE(0) : current;
    if (fid === undefined || !memory.files.delete(fid)) return respond(SW.FILE_NOT_FOUND);
    if (current === fid) current = undefined;
    return respond(SW.OK);
  };

  const list = (): Response => {
    const listed = LISTED.flatMap((prefix) => [...memory.files.keys()].filter((fid) => fid >> 8 === prefix));
    return respond(SW.OK, Buffer.concat(listed.map((fid) => Buffer.from([fid >> 8, fid & 0xff]))));
  };

  const changePin = ({ p2, data }: Command): Response => {
    const pin = p2 === USER_PIN ? memory.user : memory.so;
    const before = data.subarray(0, pin.value.length);
    const result = verify(pin, before, p2 === USER_PIN);
    if (result.sw === SW.OK) pin.value = Buffer.from(data.subarray(before.length));
    return result;
  };

  /** RESET RETRY COUNTER with the SO PIN (8 bytes), and the new user PIN behind it where one is given. */
  const resetCounter = ({ data }: Command): Response => {
    const result = verify(memory.so, data.subarray(0, 8), false);
    if (result.sw !== SW.OK) return result;
    memory.user.left = memory.user.tries;
    if (data.length > 8) memory.user.value = Buffer.from(data.subarray(8));
    return result;
  };

  const initialise = ({ data }: Command): Response => {
    const parts = readTlvs(data);
    if (parts === undefined) return respond(SW.WRONG_DATA);
    const partOf = (tag: number): Buffer | undefined => {
      const value = parts.find((part) => part.tag === tag)?.value;
      return value && Buffer.from(value);
    };
    const stays = (fid: number): boolean =>
      fid === EF_DEVICE_CERTIFICATE || (fid === EF_TOKEN_INFO && memory.fixedLabel);
    memory.files = new Map([...[...memory.files].filter(([fid]) => stays(fid)), ...deviceKey()]);
    memory.user = pinState(partOf(0x81) ?? memory.user.value, partOf(0x91)?.[0] ?? 3);
    memory.so = pinState(partOf(0x82) ?? memory.so.value, 15);
    authenticated = true;
    return respond(SW.OK);
  };

  return {
    process: (command) => {
      switch (command.ins) {
        case 0xa4:
          return select(command);
        case 0x20:
          if (command.p2 === USER_PIN) return verify(memory.user, command.data, true);
          return command.p2 === SO_PIN ? verify(memory.so, command.data, false) : respond(SW.NO_REFERENCE);
        case 0x24:
          return changePin(command);
        case 0x2c:
          return resetCounter(command);
        case 0x50:
          return initialise(command);
        case 0x58:
          return list();
        case 0xb0:
        case 0xb1:
          return read(command);
        case 0xd7:
          return update(command);
        case 0xe4:
          return remove(command);
        case 0x84:
          return respond(SW.OK, Buffer.alloc(command.le ?? 8, 0x5a));
        case 0x64: {
          if (command.p1 !== 5) return respond(SW.WRONG_P1P2);
          const memoryInfo = Buffer.alloc(20);
          memoryInfo.writeUInt32BE(memory.memoryBytes - used(), 0);
          memoryInfo.writeUInt32BE(used(), 4);
          memoryInfo.writeUInt32BE(memory.memoryBytes, 8);
          memoryInfo.writeUInt32BE(memory.files.size, 12);
          memoryInfo.writeUInt32BE(memory.memoryBytes, 16);
          return respond(SW.OK, memoryInfo);
        }
        default:
          return respond(SW.INS_NOT_SUPPORTED);
      }
    },
  };
};
