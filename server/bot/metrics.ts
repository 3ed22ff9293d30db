// SPDX-License-Identifier: Apache-2.0
// Defines the bot's own metrics: commands, syncs, log-ins, encryption, refusals, and its requests to the API server.
import { Counter, Gauge, Histogram, type Registry } from "prom-client";

/** Every label's values come from a fixed list of the caller's; what does not look like one is counted as `other`. */
export type BotMetrics = {
  /** One command that was run. `verb` is the command's own name, not what was written. */
  command(verb: string, outcome: string): void;
  /** A Toggle was patched this long after the message was sent, by the homeserver's clock and ours. */
  patched(elapsedMs: number): void;
  /** An answer was sent this long after the message that it answers. */
  answered(elapsedMs: number): void;
  /** One sync with the homeserver: `ok`, or why it failed. */
  synced(outcome: string): void;
  /** The homeserver answers again after it did not. */
  reconnected(): void;
  /** One log-in by `AUTH_METHOD`: `ok`, or why it failed. */
  loggedIn(method: string, outcome: string): void;
  /** An access token that expired was replaced. */
  sessionRenewed(): void;
  /** A message of anybody that could not be decrypted. */
  undecryptable(): void;
  /** A message that was not obeyed: `not-allowed`, `too-old`, `plain-text`, `identity-changed`, … */
  refused(reason: string): void;
  /** A message that a room does not take from the bot, by the homeserver's code: `M_FORBIDDEN`. */
  sendRefused(code: string): void;
  /** The identity of an allowed user is not the one that was pinned. */
  identityChanged(): void;
  /** One invitation: `accepted`, `refused` or `failed`. */
  invitation(outcome: string): void;
  /** Whether the watch of the Toggles is up. */
  watching(up: boolean): void;
  /** One request to the API server: `get`, `list`, `watch` or `patch`, and `ok` or why it failed. */
  apiRequest(verb: string, outcome: string): void;
  /** Whether the bot's own device is signed by its account's identity. */
  deviceSigned(signed: boolean): void;
  /** How often the bot's account has a problem: `no-backup` or `old-devices`. */
  accountProblem(problem: string, count: number): void;
  /** The library that encrypts: `native` or `wasm`. */
  cryptoEngine(engine: string): void;
};

/** Seconds, from a homeserver next door to the longest back-off. */
const BUCKETS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** A label's value can't be a message, a name or an error's text: those would be as many series as there are of them. */
const bounded = (value: string): string => (/^[a-z][a-z-]{0,31}$/.test(value) ? value : "other");

/** Those that are counted by name: a homeserver could make up any number of others. */
const CODES: ReadonlySet<string> = new Set(["M_FORBIDDEN", "M_NOT_FOUND", "M_TOO_LARGE", "M_UNKNOWN"]);

/**
 * Registers the metrics; to be called once for a registry.
 * @param clock milliseconds since the epoch
 */
export const createBotMetrics = (registry: Registry, clock: () => number = Date.now): BotMetrics => {
  const registers = [registry];
  const counter = <Label extends string>(name: string, help: string, ...labelNames: Label[]) =>
    new Counter({ name: `keyswitch_bot_${name}`, help, labelNames, registers });
  const gauge = <Label extends string>(name: string, help: string, ...labelNames: Label[]) =>
    new Gauge({ name: `keyswitch_bot_${name}`, help, labelNames, registers });
  const histogram = (name: string, help: string) =>
    new Histogram({ name: `keyswitch_bot_${name}`, help, buckets: BUCKETS, registers });

  const commands = counter("commands_total", "Commands by verb and outcome.", "verb", "outcome");
  const patched = histogram("command_seconds", "Time from a message to the Toggle patched, in seconds.");
  const answered = histogram("answer_seconds", "Time from a message to its answer sent, in seconds.");
  const syncs = counter("syncs_total", "Syncs with the homeserver by outcome.", "outcome");
  const lastSync = gauge("last_sync_timestamp_seconds", "When the last sync succeeded; 0 before the first.");
  const reconnects = counter("reconnects_total", "Times that the homeserver was reached again.");
  const logins = counter("logins_total", "Log-ins by method and outcome.", "method", "outcome");
  const renewals = counter("session_renewals_total", "Access tokens that expired and were replaced.");
  const undecryptable = counter("undecryptable_total", "Messages that could not be decrypted.");
  const refused = counter("refused_total", "Messages that were not obeyed, by reason.", "reason");
  const unsent = counter(
    "sends_refused_total",
    "Messages that a room did not take from the bot, by the homeserver's code.",
    "code",
  );
  const identities = counter("identity_changes_total", "Changes of an allowed user's identity.");
  const invitations = counter("invitations_total", "Invitations by outcome.", "outcome");
  const watch = gauge("toggles_watch_up", "1 while the Toggles are watched, else 0.");
  const signed = gauge("device_signed", "1 while the bot's device is signed by its identity, else 0.");
  const problems = gauge(
    "account_problems",
    "What is to be put right in the bot's account, by kind: no-backup, old-devices (how many), unsigned-device.",
    "problem",
  );
  const requests = counter(
    "api_requests_total",
    "Requests to the API server by verb and outcome.",
    "verb",
    "outcome",
  );
  const engine = gauge("crypto_engine_info", "1 for the library that encrypts.", "engine");
  // The homeserver's clock and ours differ; a message from the future took no time.
  const observe = (metric: Histogram, elapsedMs: number) => metric.observe(Math.max(0, elapsedMs) / 1000);

  return {
    command: (verb, outcome) => commands.inc({ verb: bounded(verb), outcome: bounded(outcome) }),
    patched: (elapsedMs) => observe(patched, elapsedMs),
    answered: (elapsedMs) => observe(answered, elapsedMs),
    synced(outcome) {
      syncs.inc({ outcome: bounded(outcome) });
      if (outcome === "ok") lastSync.set(clock() / 1000);
    },
    reconnected: () => reconnects.inc(),
    loggedIn: (method, outcome) => logins.inc({ method: bounded(method), outcome: bounded(outcome) }),
    sessionRenewed: () => renewals.inc(),
    undecryptable: () => undecryptable.inc(),
    refused: (reason) => refused.inc({ reason: bounded(reason) }),
    sendRefused: (code) => unsent.inc({ code: CODES.has(code) ? code : "other" }),
    identityChanged: () => identities.inc(),
    invitation: (outcome) => invitations.inc({ outcome: bounded(outcome) }),
    watching: (up) => watch.set(up ? 1 : 0),
    apiRequest: (verb, outcome) => requests.inc({ verb: bounded(verb), outcome: bounded(outcome) }),
    deviceSigned(isSigned) {
      signed.set(isSigned ? 1 : 0);
      problems.set({ problem: "unsigned-device" }, isSigned ? 0 : 1);
    },
    accountProblem: (problem, count) => problems.set({ problem: bounded(problem) }, count),
    cryptoEngine(name) {
      engine.reset();
      engine.set({ engine: bounded(name) }, 1);
    },
  };
};
