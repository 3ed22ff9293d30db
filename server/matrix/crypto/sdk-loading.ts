// SPDX-License-Identifier: Apache-2.0
// Loads matrix-bot-sdk with the given crypto package, and without the dependencies that Keyswitch does not use.
import Module, { createRequire } from "node:module";
import type { CryptoPackage } from "./olm-machine.ts";

export const NATIVE_PACKAGE = "@matrix-org/matrix-sdk-crypto-nodejs";

/**
 * What matrix-bot-sdk loads but we never come to use: application services (express, morgan), its own HTTP client, which
 * setRequestFn replaces (request), HTML in replies and messages (sanitize-html, html-to-text, htmlencode), policy lists
 * (glob-to-regexp), its own stores (lowdb, mkdirp, postgres). Together they are 430 modules, which take 28 MiB and most of
 * the time of loading it.
 */
export const UNUSED = [
  "express",
  "morgan",
  "request",
  "sanitize-html",
  "html-to-text",
  "htmlencode",
  "glob-to-regexp",
  "lowdb",
  "lowdb/adapters/FileSync",
  "mkdirp",
  "postgres",
] as const;

const requireHere = createRequire(import.meta.url);

/**
 * It fills require.cache, which is documented to be ours to fill, rather than a loader hook: hooks are not yet stable, and
 * others' hooks can come between. The SDK is loaded at once, through require: later imports of it, by whatever way, find what
 * was loaded here. By its index, because its modules import each other in circles that close only in that order.
 */
export const loadSdkWith = (cryptoPackage: CryptoPackage): void => {
  const requireInSdk = createRequire(requireHere.resolve("matrix-bot-sdk"));
  const fill = (name: string, exports: unknown): void => {
    const filename = requireInSdk.resolve(name);
    const filled = new Module(filename);
    filled.filename = filename;
    filled.loaded = true;
    filled.exports = exports;
    requireHere.cache[filename] ??= filled;
  };
  const native = requireInSdk.resolve(NATIVE_PACKAGE);
  delete requireHere.cache[native];
  fill(NATIVE_PACKAGE, cryptoPackage);
  for (const name of UNUSED) fill(name, unusable(name));
  sendInTurn(requireInSdk("matrix-bot-sdk"));
};

/** A function with any property, which throws when it is called. */
const unusable = (name: string): unknown => {
  const refuse = (): never => {
    throw new Error(
      `matrix-bot-sdk wants to use ${name}, which Keyswitch leaves out: see ${import.meta.filename}`,
    );
  };
  return new Proxy(refuse, { get: (_target, property) => (property === "__esModule" ? undefined : refuse) });
};

type EncryptRoomEvent = (this: object, room: string, type: string, content: unknown) => Promise<unknown>;

type Sdk = { readonly CryptoClient: { readonly prototype: { encryptRoomEvent: EncryptRoomEvent } } };

/**
 * The SDK renews a room's key where it has been used often enough, and then encrypts with it, in two steps. Of two messages
 * at a time, the first could use the key up between the other's steps, at which the crypto crate panics.
 */
const sendInTurn = ({ CryptoClient: { prototype } }: Sdk): void => {
  const encrypt = prototype.encryptRoomEvent;
  const turns = new WeakMap<object, Map<string, Promise<unknown>>>();
  prototype.encryptRoomEvent = function (room, type, content) {
    const rooms = turns.get(this) ?? new Map<string, Promise<unknown>>();
    turns.set(this, rooms);
    const before = rooms.get(room) ?? Promise.resolve();
    const encrypted = before.then(() => encrypt.call(this, room, type, content));
    const settled = encrypted
      .catch(() => {})
      .then(() => {
        if (rooms.get(room) === settled) rooms.delete(room);
      });
    rooms.set(room, settled);
    return encrypted;
  };
};
