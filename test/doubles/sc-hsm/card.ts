// SPDX-License-Identifier: Apache-2.0
// Runs a SmartCard-HSM in the virtual reader of vsmartcard-vpcd: it can be plugged, unplugged, and made to fail at any APDU.
import { createConnection, type Socket } from "node:net";
import { encodeResponse, parseCommand, respond, SW } from "./apdu.ts";
import { type Applet, type CardMemory, powerOn } from "./applet.ts";

/** The answer to reset of a Pico HSM and of the SmartCard-HSM, by which OpenSC knows it. */
const ATR = Buffer.from("3bfe1800008131fe458031815448534d31738021408107fa", "hex");

/** Control codes of the reader (one byte); anything longer is an APDU. */
const CONTROL = { off: 0, on: 1, reset: 2, atr: 4 };

/** One APDU, without what it carries. */
export type ApduEntry = { ins: number; p1: number; p2: number; dataBytes: number; fid?: number; sw: number };

/**
 * What happens in place of an APDU. `cut`: the card is pulled out before it does anything; `cut-after`: when it has done it
 * and nobody has heard; `stall`: it never answers; a number: the status word that it fails with.
 */
export type Fault = "cut" | "cut-after" | "stall" | number;

export type VirtualCard = {
  memory: CardMemory;
  /** Milliseconds that each APDU takes. */
  delayMs: number;
  /** The APDUs since the last `forget`, in order. */
  log: readonly ApduEntry[];
  forget(): void;
  /** How many APDUs of this instruction (those with data, where asked) the log has. */
  count(ins: number, withData?: boolean): number;
  /** Has the `nth` APDU from now on (1: the next) that `counts` end in `fault`. */
  failAt(nth: number, fault: Fault, counts?: (entry: Omit<ApduEntry, "sw">) => boolean): void;
  /** No fault that was asked for and has not come will come. */
  heal(): void;
  /** Resolves when a fault that was asked for has come. */
  failed(): Promise<void>;
  readonly plugged: boolean;
  unplug(): void;
  plug(): void;
};

/** Splits the reader's stream into messages: two bytes of length, then so many bytes. */
const messages = (socket: Socket, take: (message: Buffer) => void): void => {
  let buffered: Buffer = Buffer.alloc(0);
  socket.on("data", (chunk) => {
    buffered = Buffer.concat([buffered, chunk]);
    while (buffered.length >= 2 && buffered.length >= 2 + buffered.readUInt16BE(0)) {
      const end = 2 + buffered.readUInt16BE(0);
      take(buffered.subarray(2, end));
      buffered = buffered.subarray(end);
    }
  });
};

const send = (socket: Socket, message: Buffer): void => {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  if (socket.writable) socket.write(Buffer.concat([length, message]));
};

type Planned = { left: number; fault: Fault; counts: (entry: Omit<ApduEntry, "sw">) => boolean };

/** How soon a card that is plugged in looks again for a reader that was not there, in milliseconds. */
const LOOK_MS = 20;

/** A card that is plugged into the reader behind `reader`, the path of a Unix socket. */
export const insertCard = (memory: CardMemory, reader: string): VirtualCard => {
  let socket: Socket | undefined;
  let plugged = false;
  let log: ApduEntry[] = [];
  let planned: Planned | undefined;
  let faultCame = Promise.withResolvers<void>();
  let applet: Applet = powerOn(memory);

  const unplug = (): void => {
    plugged = false;
    socket?.destroy();
    socket = undefined;
  };

  /** The fault that this APDU meets, if it is its turn. */
  const faultOf = (entry: Omit<ApduEntry, "sw">): Fault | undefined => {
    if (planned?.counts(entry) !== true) return undefined;
    planned.left -= 1;
    if (planned.left > 0) return undefined;
    const { fault } = planned;
    planned = undefined;
    faultCame.resolve();
    return fault;
  };

  /** The answer to an APDU, or what happened in place of it. */
  const exchange = (bytes: Buffer): Buffer | "cut" | "stall" => {
    const command = parseCommand(bytes);
    if (command === undefined) return encodeResponse(respond(SW.WRONG_LENGTH));
    const { ins, p1, p2, data } = command;
    const names = (ins === 0xa4 || ins === 0xe4) && data.length === 2;
    const entry = { ins, p1, p2, dataBytes: data.length, ...(names && { fid: data.readUInt16BE(0) }) };
    const fault = faultOf(entry);
    if (fault === "cut" || fault === "stall") return fault;
    const response = typeof fault === "number" ? respond(fault) : applet.process(command);
    if (response === undefined) return "cut";
    log.push({ ...entry, sw: response.sw });
    return fault === "cut-after" ? "cut" : encodeResponse(response);
  };

  const transmit = (socket: Socket, bytes: Buffer): void => {
    const answer = exchange(bytes);
    if (answer === "cut") unplug();
    else if (answer !== "stall" && card.delayMs === 0) send(socket, answer);
    else if (answer !== "stall") setTimeout(() => send(socket, answer), card.delayMs);
  };

  const control = (socket: Socket, code: number | undefined): void => {
    if (code === CONTROL.atr) send(socket, ATR);
    else applet = powerOn(memory); // power off, power on and reset all end a session
  };

  const connect = (): void => {
    applet = powerOn(memory);
    const connection = createConnection(reader);
    socket = connection;
    connection.on("error", () => connection.destroy());
    connection.on("close", () => {
      if (plugged && socket === connection) setTimeout(connectAgain, LOOK_MS, connection).unref();
    });
    messages(connection, (message) =>
      message.length === 1 ? control(connection, message[0]) : transmit(connection, message),
    );
  };

  const connectAgain = (ended: Socket): void => {
    if (plugged && socket === ended) connect();
  };

  const plug = (): void => {
    if (plugged) return;
    plugged = true;
    // A file without a byte has never reached the flash memory.
    for (const [fid, file] of memory.files) if (file.length === 0) memory.files.delete(fid);
    connect();
  };

  const card: VirtualCard = {
    memory,
    delayMs: 0,
    get log() {
      return log;
    },
    forget: () => {
      log = [];
    },
    count: (ins, withData = false) =>
      log.filter((entry) => entry.ins === ins && (!withData || entry.dataBytes > 0)).length,
    failAt: (nth, fault, counts = () => true) => {
      faultCame = Promise.withResolvers();
      planned = { left: nth, fault, counts };
    },
    heal: () => {
      planned = undefined;
    },
    failed: () => faultCame.promise,
    get plugged() {
      return plugged;
    },
    unplug,
    plug,
  };
  plug();
  return card;
};
