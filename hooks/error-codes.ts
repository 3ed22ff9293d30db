// SPDX-License-Identifier: Apache-2.0
// Defines the error codes: HTTP status, text, and what an agent's code means to a reader or writer of the token.

/** What a code says of a token, for those that pass from an agent into the status of an HSMSecret. */
type Kind =
  /** The token can't be read at the moment, at no path. */
  | "token-unreadable"
  /** What the token holds at this path can't be. */
  | "path-unreadable"
  /** No agent that can be believed has said anything of the token. Only the webhook says so. */
  | "agent-failed"
  /** The token does not take a write; trying again is of use only when something has changed. */
  | "token-refuses"
  /** The same of the agent, for a reason of its own. */
  | "agent-refuses"
  /** A write that may have been made, or was not tried: it passes by itself. */
  | "passes";

type Row = {
  /** HTTP status. */
  readonly status: number;
  /** What callers read. It never holds a value of the request. */
  readonly text: string;
  readonly kind?: Kind;
  /** What to do about a write that was refused; it stands behind the text in the status of an HSMSecret. */
  readonly remedy?: string;
};

export const errors = {
  INVALID_REQUEST: {
    status: 400,
    text: "The request does not have the expected shape; details name the fields.",
    kind: "agent-refuses",
    remedy: "Rename the keys of the Secret to what the token can hold.",
  },
  INVALID_JSON: { status: 400, text: "The body is not JSON." },
  UNAUTHENTICATED: { status: 401, text: "A valid bearer token is needed." },
  CLIENT_CERTIFICATE_REQUIRED: {
    status: 401,
    text: "A client certificate that this server's CA signed is needed.",
  },
  PIN_MISMATCH: {
    status: 403,
    text: "currentPin is not the PIN that the agent uses; it was not tried on the token.",
  },
  FORBIDDEN: { status: 403, text: "The credentials are valid but do not allow this." },
  NOT_FOUND: { status: 404, text: "There is no such route." },
  SECRET_NOT_FOUND: { status: 404, text: "The token holds nothing at this path." },
  KEY_NOT_FOUND: { status: 404, text: "The secret has no such key." },
  METHOD_NOT_ALLOWED: {
    status: 405,
    text: "The route does not know this method; the Allow header lists those it does.",
  },
  REQUEST_TIMEOUT: { status: 408, text: "The request did not arrive in time." },
  PATH_AMBIGUOUS: {
    status: 409,
    text: "An object on the token belongs to this path and to another one; the message names it.",
    kind: "token-refuses",
  },
  NOT_PRIMARY: {
    status: 409,
    text: "This token is a mirror; writes go to the primary, which the message names.",
    kind: "passes",
  },
  NOT_A_MEMBER: {
    status: 409,
    text: "The token belongs to no set and holds secrets of its own; kubectl hsm mirror adopt joins it.",
  },
  OTHER_SET: { status: 409, text: "The token belongs to another set of HSMs." },
  STALE_EPOCH: { status: 409, text: "The token has seen a newer epoch of its set than this." },
  STALE_ORDER: { status: 409, text: "The agent has started again since, or was given a newer role." },
  PRECONDITION_FAILED: {
    status: 412,
    text: "The secret is not in the state that the request's condition names.",
  },
  PAYLOAD_TOO_LARGE: {
    status: 413,
    text: "The body is larger than this server takes.",
    kind: "agent-refuses",
  },
  SECRET_TOO_LARGE: {
    status: 413,
    text: "The secret, a key or a label is larger than the token takes; the message says what it takes.",
    kind: "token-refuses",
    remedy: "Make the Secret smaller, or split it over several paths.",
  },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, text: "The body must be application/json." },
  VALUE_EMPTY: {
    status: 422,
    text: "The token does not keep an object without a value; the packed layout does.",
    kind: "token-refuses",
    remedy: "Leave the empty key out, or have the agent use the packed layout.",
  },
  PIN_REFUSED: { status: 422, text: "The token does not take the new PIN; the message says why." },
  TOO_BUSY: {
    status: 429,
    text: "Too many requests are being worked on; try again after Retry-After seconds.",
    kind: "passes",
  },
  SYNC_AGAIN: {
    status: 429,
    text: "The Secret was written to the token; the hook tells the rest when it is called again after Retry-After seconds.",
  },
  STATUS_OUTDATED: {
    status: 429,
    text: "The HSMDevice has changed since the hook was called; no agent was given a role, and the hook decides when it is called again after Retry-After seconds.",
  },
  HEADERS_TOO_LARGE: { status: 431, text: "The headers are larger than this server takes." },
  INTERNAL: { status: 500, text: "Something went wrong here; the log has more under the request id." },
  AGENT_REFUSED: { status: 502, text: "The agent's answer can't be used.", kind: "agent-failed" },
  AGENT_UNKNOWN: { status: 502, text: "No agent of that name is configured.", kind: "agent-failed" },
  AGENT_BEHIND: {
    status: 502,
    text: "The agent that answered holds an older version of the secret than was applied, or one that can't be placed.",
    kind: "agent-failed",
  },
  AGENT_UNREACHABLE: { status: 502, text: "The agent can't be reached.", kind: "agent-failed" },
  PARENT_UNCONFIRMED: {
    status: 502,
    text: "The API server does not confirm the HSMSecret that a hook was called for; nothing was changed on the token.",
  },
  NOT_ALIVE: { status: 503, text: "Nothing has succeeded for long; checks say what. A restart may help." },
  NOT_READY: { status: 503, text: "Not ready; checks say why." },
  TOKEN_UNAVAILABLE: {
    status: 503,
    text: "The token can't be read at the moment.",
    kind: "token-unreadable",
  },
  PIN_LOCKED: {
    status: 503,
    text: "The token's PIN is locked, or one try is left and is not used.",
    kind: "token-unreadable",
  },
  PIN_INCORRECT: {
    status: 503,
    text: "The token refused the PIN, or may have; it is not tried again until the PIN file changes.",
    kind: "token-unreadable",
  },
  TIMEOUT: { status: 503, text: "The token did not answer in time.", kind: "token-unreadable" },
  NO_LEASE: {
    status: 503,
    text: "No member of the set takes writes at the moment: the primary's lease has ended, or is being handed over.",
    kind: "passes",
  },
  NO_MIRROR: {
    status: 503,
    text: "No mirror is complete, and mirroring.acknowledge: Mirror takes no write that a mirror does not hold too.",
    kind: "passes",
  },
  WRITE_UNCERTAIN: {
    status: 503,
    text: "The write was cut off, or can't be seen. The token holds the old secret or the new one, whole: read it, then try again.",
    kind: "passes",
  },
  LABEL_INVALID: {
    status: 503,
    text: "An object of this secret has a label that can't be a key; kubectl hsm list --invalid names it.",
    kind: "path-unreadable",
  },
  STORAGE_INVALID: {
    status: 503,
    text: "What the token holds at this path can't be understood.",
    kind: "path-unreadable",
  },
  TOKEN_FULL: {
    status: 507,
    text: "The token has no room for this; nothing was changed. The message says what it holds.",
    kind: "token-refuses",
    remedy: "Remove something from the token.",
  },
  MIRROR_FULL: {
    status: 507,
    text: "A mirror has no room for this, so that the primary does not take it; the message names it.",
    kind: "token-refuses",
    remedy: "Remove something from the set, or replace the smaller HSM.",
  },
  QUOTA_EXCEEDED: {
    status: 507,
    text: "The namespace has used up its quota on the token, or what is left is kept for the administrator; nothing was changed.",
    kind: "agent-refuses",
    remedy:
      "Remove secrets of this namespace from the token, or ask whoever runs Keyswitch for a larger quota in the path policy.",
  },
  WRITE_NOT_SHOWN: {
    status: 507,
    text: "The token took the write but does not show it; the secret is as it was.",
    kind: "token-refuses",
    remedy: "Remove something from the token, or use another token.",
  },
} as const satisfies Readonly<Record<string, Row>>;

/** Every code that an answer can carry. */
export type ErrorCode = keyof typeof errors;

/** The codes of a kind. */
type CodeOf<K extends Kind> = {
  [C in ErrorCode]: (typeof errors)[C] extends { readonly kind: K } ? C : never;
}[ErrorCode];

/** Why an agent can't read a path of its token. */
export type PathFault = CodeOf<"path-unreadable">;

/** Why an agent can't read its token. */
export type TokenFault = CodeOf<"token-unreadable"> | PathFault;

/** Why nothing is known of what the token holds. */
export type UnavailableCode = TokenFault | CodeOf<"agent-failed">;

/** Why the token does not take a change. */
export type RefusalCode = CodeOf<"token-refuses">;

const rows: Readonly<Record<string, Row>> = errors;

/** The codes of these kinds. */
export const codesOf = <K extends Kind>(...kinds: readonly K[]): CodeOf<K>[] =>
  Object.keys(errors).filter((code): code is CodeOf<K> => kinds.some((kind) => kind === rows[code]?.kind));

/** What to do about a write that was refused with `code`; undefined where its text says all. */
export const remedyOf = (code: ErrorCode): string | undefined => rows[code]?.remedy;
