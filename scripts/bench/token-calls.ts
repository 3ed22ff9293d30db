// SPDX-License-Identifier: Apache-2.0
// Runs a process that times bare PKCS#11 calls on one token: reading a secret by its labels, fetching every object, and
// creating and replacing objects.
import { randomBytes } from "node:crypto";
import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { ObjectClass, type Session } from "graphene-pk11";
import { openTokenSession } from "../local/token-session.ts";

export const CallsRequest = Type.Object({
  module: Type.String(),
  label: Type.String(),
  pin: Type.String(),
  /** Each secret's labels. */
  secrets: Type.Array(Type.Array(Type.String())),
  /**
   * `find` reads each secret by its labels; `scan` fetches the whole token once for each; `create` makes an object of
   * `bytes` for each label; `replace` finds the object of each label, makes another and removes the first.
   */
  kind: Type.Union([
    Type.Literal("find"),
    Type.Literal("scan"),
    Type.Literal("create"),
    Type.Literal("replace"),
  ]),
  bytes: Type.Optional(Type.Integer({ minimum: 0 })),
});
export type CallsRequest = Static<typeof CallsRequest>;

/** Milliseconds of each secret's reading. */
export const CallsReply = Type.Object({ samples: Type.Array(Type.Number()) });

const find = (session: Session, labels: readonly string[]): void => {
  for (const label of labels) {
    session.find({ class: ObjectClass.DATA, label }).items(0).getAttribute("value");
  }
};

const scan = (session: Session, labels: readonly string[]): void => {
  const objects = session.find({ class: ObjectClass.DATA });
  let found = 0;
  for (let index = 0; index < objects.length; index += 1) {
    const object = objects.items(index);
    const label = object.getAttribute("label");
    object.getAttribute("value");
    if (labels.includes(label)) found += 1;
  }
  if (found !== labels.length) throw new Error("the scan missed the secret");
};

const create = (session: Session, labels: readonly string[], bytes: number): void => {
  for (const label of labels) {
    session.create({
      class: ObjectClass.DATA,
      token: true,
      private: true,
      application: "keyswitch-bench",
      label,
      value: randomBytes(bytes),
    });
  }
};

const replace = (session: Session, labels: readonly string[], bytes: number): void => {
  for (const label of labels) {
    const before = session.find({ class: ObjectClass.DATA, label }).items(0);
    create(session, [label], bytes);
    before.destroy();
  }
};

const WORK = { find, scan, create, replace };

let session: Session | undefined;
process.on("message", (message: unknown) => {
  if (!Value.Check(CallsRequest, message)) throw new Error("not a request for calls");
  session ??= openTokenSession(message);
  const work = WORK[message.kind];
  const samples: number[] = [];
  for (const labels of message.secrets) {
    const begin = performance.now();
    work(session, labels, message.bytes ?? 0);
    samples.push(performance.now() - begin);
  }
  process.send?.({ samples });
});
