// SPDX-License-Identifier: Apache-2.0
// Writes data objects to a SoftHSM2 token from a process of its own, as another program on the node would.
import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { ObjectClass } from "graphene-pk11";
import pkcs11js from "pkcs11js";
import { openTokenSession } from "./token-session.ts";

/** `isPublic`: shown without a log-in, too. */
const Create = Type.Object({
  label: Type.Union([Type.String(), Type.Uint8Array()]),
  application: Type.String(),
  value: Type.Uint8Array(),
  isPublic: Type.Optional(Type.Boolean()),
});

/** One piece of writing; answered when all of it is done. */
export const WriteRequest = Type.Object({
  id: Type.Integer(),
  /** Labels whose objects are removed before anything is made. */
  removeFirst: Type.Array(Type.String()),
  create: Type.Array(Create),
  /** Objects that get another label and stay what they are: their handles remain good. */
  relabel: Type.Array(Type.Object({ from: Type.String(), to: Type.String() })),
});
export type WriteRequest = Static<typeof WriteRequest>;

export const WriterStart = Type.Object({ module: Type.String(), label: Type.String(), pin: Type.String() });
export type WriterStart = Static<typeof WriterStart>;

/** Logs in to the token and answers requests until the parent is gone. */
const serve = (start: WriterStart): void => {
  const session = openTokenSession(start);
  process.on("message", (request: unknown) => {
    if (!Value.Check(WriteRequest, request)) throw new Error("not a write request");
    for (const wanted of request.removeFirst) session.destroy({ class: ObjectClass.DATA, label: wanted });
    for (const { label: name, application, value, isPublic = false } of request.create) {
      session.lib.C_CreateObject(session.handle, [
        { type: pkcs11js.CKA_CLASS, value: ObjectClass.DATA },
        { type: pkcs11js.CKA_TOKEN, value: true },
        { type: pkcs11js.CKA_PRIVATE, value: !isPublic },
        { type: pkcs11js.CKA_LABEL, value: Buffer.from(name) },
        { type: pkcs11js.CKA_APPLICATION, value: Buffer.from(application) },
        { type: pkcs11js.CKA_VALUE, value: Buffer.from(value) },
      ]);
    }
    for (const { from, to } of request.relabel) {
      session.find({ class: ObjectClass.DATA, label: from }).items(0).setAttribute({ label: to });
    }
    process.send?.({ id: request.id });
  });
  process.send?.({ id: 0 });
};

process.on("disconnect", () => process.exit(0));
process.once("message", (start: unknown) => {
  if (!Value.Check(WriterStart, start)) throw new Error("not a writer's start");
  serve(start);
});
