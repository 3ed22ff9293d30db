// SPDX-License-Identifier: Apache-2.0
// Simulates the account data and the identity of one account, which can fail at any request.
import type {
  HomeserverAnswer,
  HomeserverRequests,
} from "../../../server/matrix/crypto/homeserver-requests.ts";

export const USER = "@bot:example.org";

export type AccountDouble = {
  readonly request: HomeserverRequests;
  /** By path below the account's. */
  readonly data: Map<string, unknown>;
  /** The body of the last upload of an identity. */
  identity: { master_key?: object; auth?: object } | undefined;
  /** Every request that writes, by its path. */
  readonly writes: string[];
  /** Refuses the write of this number, counted from 1, and those after it. */
  failsFrom: number | undefined;
  /** What a replacement of an identity needs. */
  password: string | undefined;
};

export const accountDouble = (): AccountDouble => {
  const double: AccountDouble = {
    data: new Map(),
    identity: undefined,
    writes: [],
    failsFrom: undefined,
    password: undefined,
    async request(method, path, body) {
      if (path === "keys/query") return { status: 200, body: { master_keys: identities(double) } };
      return method === "GET" ? read(double, path) : write(double, path, body);
    },
  };
  return double;
};

const identities = ({ identity }: AccountDouble) => (identity ? { [USER]: identity.master_key } : {});

const read = ({ data }: AccountDouble, path: string): HomeserverAnswer =>
  data.has(path) ? { status: 200, body: data.get(path) } : { status: 404, body: {} };

const write = (double: AccountDouble, path: string, body: unknown): HomeserverAnswer => {
  double.writes.push(path);
  if (double.failsFrom !== undefined && double.writes.length >= double.failsFrom) {
    return { status: 0, body: undefined };
  }
  if (path !== "keys/device_signing/upload") double.data.set(path, body);
  else if (!upload(double, body)) {
    return { status: 401, body: { session: "s", flows: [{ stages: ["m.login.password"] }] } };
  }
  return { status: 200, body: {} };
};

/** As homeservers since MSC3967: the first identity needs nothing. */
const upload = (double: AccountDouble, body: unknown): boolean => {
  const identity = body as { auth?: { password?: string } };
  if (double.identity !== undefined && identity.auth?.password === undefined) return false;
  if (double.identity !== undefined && identity.auth?.password !== double.password) return false;
  double.identity = identity;
  return true;
};
