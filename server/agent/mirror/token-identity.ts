// SPDX-License-Identifier: Apache-2.0
// Tells the membership of the token that is there now, and notices where another one was plugged in meanwhile.
import { isReservedPath } from "../storage/path.ts";
import { type InfoResult, type SecretStore, type Unavailable, unavailable } from "../store.ts";
import type { MemberStore } from "./member.ts";
import { membershipOf, type RecordRead } from "./record-writer.ts";

type Info = Extract<InfoResult, { kind: "info" }>;
type Membership = Awaited<ReturnType<MemberStore["membership"]>>;

const EXCHANGED = unavailable("TOKEN_UNAVAILABLE", "another token was plugged in meanwhile", 1);

/** Which token is there, and how many objects its view shows. */
type SeenToken = { readonly id: string; readonly objects: number };

/** Two tokens of a kind have different serial numbers. */
const idOf = ({ token }: Info): string =>
  JSON.stringify([token.manufacturer, token.model, token.serial, token.label]);

export class TokenIdentity {
  readonly #store: Pick<SecretStore, "info" | "list">;
  /** The token that `membership` last told of. */
  #told: string | undefined;
  /** Whether there is a secret on a token that has so many objects. */
  #empty: { id: string; objects: number; isEmpty: boolean } | undefined;

  constructor(store: Pick<SecretStore, "info" | "list">) {
    this.#store = store;
  }

  /** Does `work`, whose result is that of one token: the one that it is told of. */
  async during<T>(work: (token: SeenToken) => Promise<T>): Promise<T | Unavailable> {
    const before = await this.#store.info();
    if (before.kind === "unavailable") return before;
    const result = await work({ id: idOf(before), objects: before.objects });
    const after = await this.#store.info();
    if (after.kind === "unavailable") return after;
    return idOf(before) === idOf(after) ? result : EXCHANGED;
  }

  /** Why the token is not the one that `membership` last told of; undefined: it is. */
  async exchanged(): Promise<Unavailable | undefined> {
    const info = await this.#store.info();
    if (info.kind === "unavailable") return info;
    return this.#told === undefined || this.#told === idOf(info) ? undefined : EXCHANGED;
  }

  membership(readRecord: () => Promise<RecordRead>): Promise<Membership> {
    return this.during(async (): Promise<Membership> => {
      const read = await readRecord();
      if (read.kind === "unavailable") return read;
      const info = await this.#store.info();
      if (info.kind === "unavailable") return info;
      const isEmpty = await this.#isEmpty(info, read);
      if (typeof isEmpty !== "boolean") return isEmpty;
      this.#told = idOf(info);
      return { kind: "known", membership: membershipOf(read), isEmpty };
    });
  }

  /** Of a member, told by the number of objects alone: nothing depends on it. */
  async #isEmpty(info: Info, read: RecordRead): Promise<boolean | Unavailable> {
    const { objects } = info;
    const id = idOf(info);
    if (read.kind === "record") return objects <= 1;
    if (objects === 0) return true;
    if (this.#empty?.id === id && this.#empty.objects === objects) return this.#empty.isEmpty;
    const listed = await this.#store.list("");
    if (listed.kind === "unavailable") return listed;
    const { secrets, invalid = [] } = listed;
    const isEmpty = [...secrets.map(({ path }) => path), ...invalid].every(isReservedPath);
    this.#empty = { id, objects, isEmpty };
    return isEmpty;
  }
}
