// SPDX-License-Identifier: Apache-2.0
// One hook of a controller: its call, with 429, ETag and strict decoding as Metacontroller has them.
import { type Json, type JsonObject, parsedJson } from "../api/json.ts";
import type { KubeObject } from "../client.ts";
import type { Webhook } from "./composite-controller.ts";
import { durationMs } from "./go-duration.ts";
import type { ConnectionReader } from "./hook-connection.ts";
import { createHookTransport, type HookReply, type ResolveService } from "./hook-transport.ts";
import { type Fault, fault, type Outcome, ok } from "./outcome.ts";

/** Checks an answer to the hook `type` and narrows it; `strict` refuses fields that the contract does not have. */
export type Decode<T> = (answer: Json | undefined, how: { type: string; strict: boolean }) => Outcome<T>;

export type Hook<T> = {
  /** Posts the body; `root` is the object that a cached answer belongs to. */
  call: (body: JsonObject, root: KubeObject) => Promise<Outcome<T>>;
  close: () => void;
};

export type HookOptions<T> = {
  /** `sync`, `finalize` or `customize`, for faults. */
  name: string;
  webhook: Webhook;
  decode: Decode<T>;
  readConnection: ConnectionReader;
  resolveService?: ResolveService | undefined;
  now: () => Date;
};

const DEFAULT_TIMEOUT_MS = 10_000;

type Reply = Extract<HookReply, { kind: "reply" }>;
type Answer = { etag: string; text: string; until: number };

/** The answers that a hook may confirm by their ETag, by the object that they belong to. */
class AnswerCache {
  readonly #answers = new Map<string, Answer>();
  readonly #enabled: boolean;
  readonly #lifetimeMs: number;

  constructor({ etag }: Webhook) {
    this.#enabled = etag?.enabled === true;
    this.#lifetimeMs = (etag?.cacheTimeoutSeconds ?? Number.POSITIVE_INFINITY) * 1_000;
  }

  get(key: string, now: Date): Answer | undefined {
    const answer = this.#answers.get(key);
    return answer && answer.until > now.getTime() ? answer : undefined;
  }

  put(key: string, { headers: { etag }, text }: Reply, now: Date): void {
    if (!this.#enabled || etag === undefined) return;
    this.#answers.set(key, { etag, text, until: now.getTime() + this.#lifetimeMs });
  }
}

/** Makes a hook. Its credentials are read now, and not again. */
export const createHook = async <T>(options: HookOptions<T>): Promise<Outcome<Hook<T>>> => {
  const { name, webhook, decode, now } = options;
  const url = webhookUrl(webhook);
  if (!url.ok) return url;
  const connection = await options.readConnection(webhook, url.value);
  if (!connection.ok) return fault(`can't resolve endpoint config for ${name} hook: ${connection.message}`);
  const transport = createHookTransport({
    url: url.value,
    timeoutMs: durationMs(webhook.timeout ?? "") ?? DEFAULT_TIMEOUT_MS,
    connection: connection.value,
    resolveService: options.resolveService,
  });
  const strict = webhook.responseUnMarshallMode !== "loose";
  const cache = new AnswerCache(webhook);

  const call = async (body: JsonObject, root: KubeObject): Promise<Outcome<T>> => {
    const key = `${root.kind}/${root.metadata.namespace ?? ""}/${root.metadata.name}`;
    const cached = cache.get(key, now());
    const headers: { [header: string]: string } = cached ? { "if-none-match": cached.etag } : {};
    const reply = await transport.post(JSON.stringify(body), headers);
    const text = acceptedText(reply, cached, url.value, now());
    if (!text.ok) return failed(text);
    if (reply.kind === "reply" && reply.status === 200) cache.put(key, reply, now());
    const result = decode(parsedJson(text.value), { type: name, strict });
    return result.ok ? result : failed(result);
  };

  // Metacontroller puts nothing before a fault of the customize hook.
  const failed = (found: Fault): Fault =>
    name === "customize"
      ? found
      : { ...found, message: `${name} hook failed (version=v2): ${found.message}` };

  return ok({ call, close: transport.close });
};

/** What a reply has to be decoded: its own text, or that of the answer which it confirms. */
const acceptedText = (reply: HookReply, cached: Answer | undefined, url: URL, now: Date): Outcome<string> => {
  if (reply.kind === "unreachable") return fault(`http error: Post "${url}": ${reply.fault}`);
  if (reply.status === 429) {
    const afterSeconds = secondsOf(reply.headers.retryAfter, now);
    return { ...fault(`Too many request, it will be resync after: ${afterSeconds}`), afterSeconds };
  }
  if (cached && reply.status === 304) return ok(cached.text);
  if (reply.status === 200) return ok(reply.text);
  return fault(`unsupported status code: ${reply.status} body: ${reply.text}`);
};

/** Retry-After in whole seconds, from a number or an HTTP date; anything else is 0, as in Metacontroller. */
const secondsOf = (retryAfter: string | undefined, now: Date): number => {
  const text = retryAfter?.trim() ?? "";
  if (/^\d+$/.test(text)) return Number(text);
  const date = Date.parse(text);
  return Number.isNaN(date) ? 0 : Math.max(0, Math.ceil((date - now.getTime()) / 1_000));
};

const webhookUrl = ({ url, service, path }: Webhook): Outcome<URL> => {
  if (url === undefined && (service === undefined || path === undefined)) {
    return fault("invalid webhook config: must specify either full 'url', or both 'service' and 'path'");
  }
  const text =
    url ??
    `${service?.protocol ?? "http"}://${service?.name}.${service?.namespace}:${service?.port ?? 80}${path}`;
  const made = URL.canParse(text) ? new URL(text) : undefined;
  if (made?.protocol === "http:" || made?.protocol === "https:") return ok(made);
  return fault("invalid webhook config: the url is not an http or https url");
};
