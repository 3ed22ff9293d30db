// SPDX-License-Identifier: Apache-2.0
// Tests the bot's metrics: their names, what each event does to them, and that nothing of a message becomes a label.
import { Registry } from "prom-client";
import t from "tap";
import { type BotMetrics, createBotMetrics } from "../../server/bot/metrics.ts";

const NOW = Date.UTC(2026, 0, 2);

/** The lines of the exposition after `events`, without comments and buckets. */
const after = async (events: (metrics: BotMetrics) => void): Promise<string[]> => {
  const registry = new Registry();
  events(createBotMetrics(registry, () => NOW));
  const text = await registry.metrics();
  return text
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#") && !line.includes("_bucket{"));
};

t.test("every metric has its name and a help text", async (t) => {
  const registry = new Registry();
  createBotMetrics(registry);
  const metrics = await registry.getMetricsAsJSON();
  t.same(
    metrics.map(({ name }) => name).sort(),
    [
      "account_problems",
      "answer_seconds",
      "api_requests_total",
      "command_seconds",
      "commands_total",
      "crypto_engine_info",
      "device_signed",
      "identity_changes_total",
      "invitations_total",
      "last_sync_timestamp_seconds",
      "logins_total",
      "reconnects_total",
      "refused_total",
      "sends_refused_total",
      "session_renewals_total",
      "syncs_total",
      "toggles_watch_up",
      "undecryptable_total",
    ].map((name) => `keyswitch_bot_${name}`),
  );
  for (const { name, help } of metrics) t.match(help, /\.$/, name);
});

const rows: [sentence: string, event: (metrics: BotMetrics) => void, line: string][] = [
  ["a command", (m) => m.command("start", "switched"), 'commands_total{verb="start",outcome="switched"} 1'],
  ["a patch after 250 ms", (m) => m.patched(250), "command_seconds_sum 0.25"],
  ["a message of a faster clock took no time", (m) => m.patched(-250), "command_seconds_sum 0"],
  ["an answer after 1.5 s", (m) => m.answered(1500), "answer_seconds_sum 1.5"],
  ["a sync", (m) => m.synced("ok"), 'syncs_total{outcome="ok"} 1'],
  ["a sync says when", (m) => m.synced("ok"), `last_sync_timestamp_seconds ${NOW / 1000}`],
  ["a sync that failed", (m) => m.synced("timeout"), 'syncs_total{outcome="timeout"} 1'],
  ["a sync that failed is not the last", (m) => m.synced("timeout"), "last_sync_timestamp_seconds 0"],
  ["a connection regained", (m) => m.reconnected(), "reconnects_total 1"],
  ["a log-in", (m) => m.loggedIn("jwt", "keycloak"), 'logins_total{method="jwt",outcome="keycloak"} 1'],
  ["a session renewed", (m) => m.sessionRenewed(), "session_renewals_total 1"],
  ["a message that can't be decrypted", (m) => m.undecryptable(), "undecryptable_total 1"],
  ["a message not taken", (m) => m.sendRefused("M_FORBIDDEN"), 'sends_refused_total{code="M_FORBIDDEN"} 1'],
  ["one not taken for a made-up reason", (m) => m.sendRefused("M_X"), 'sends_refused_total{code="other"} 1'],
  ["a message not obeyed", (m) => m.refused("plain-text"), 'refused_total{reason="plain-text"} 1'],
  ["a device that is signed", (m) => m.deviceSigned(true), "device_signed 1"],
  ["one that is not", (m) => m.deviceSigned(false), 'account_problems{problem="unsigned-device"} 1'],
  [
    "devices of lost stores",
    (m) => m.accountProblem("old-devices", 2),
    'account_problems{problem="old-devices"} 2',
  ],
  ["an identity that changed", (m) => m.identityChanged(), "identity_changes_total 1"],
  ["an invitation", (m) => m.invitation("accepted"), 'invitations_total{outcome="accepted"} 1'],
  ["a watch that is up", (m) => m.watching(true), "toggles_watch_up 1"],
  ["a request", (m) => m.apiRequest("patch", "ok"), 'api_requests_total{verb="patch",outcome="ok"} 1'],
  ["an engine", (m) => m.cryptoEngine("wasm"), 'crypto_engine_info{engine="wasm"} 1'],
];
for (const [sentence, event, line] of rows) {
  t.test(sentence, async (t) => t.ok((await after(event)).includes(`keyswitch_bot_${line}`), line));
}

t.test("a watch that is lost is 0 again, and one engine alone is in use", async (t) => {
  const lines = await after((metrics) => {
    metrics.watching(true);
    metrics.watching(false);
    metrics.cryptoEngine("native");
    metrics.cryptoEngine("wasm");
  });
  t.ok(lines.includes("keyswitch_bot_toggles_watch_up 0"));
  t.same(
    lines.filter((line) => line.includes("engine=")),
    ['keyswitch_bot_crypto_engine_info{engine="wasm"} 1'],
  );
});

t.test(
  "what is no name of a list is counted as other, so that the number of series is bounded",
  async (t) => {
    const foreign = ["start everything!", "@alice:example.org", "M_FORBIDDEN", "", "x".repeat(33), '"} 1'];
    const lines = await after((metrics) => {
      for (const text of foreign) {
        metrics.command(text, text);
        metrics.synced(text);
        metrics.loggedIn(text, text);
        metrics.refused(text);
        metrics.invitation(text);
        metrics.apiRequest(text, text);
        metrics.cryptoEngine(text);
      }
    });
    const labels = lines.flatMap((line) => [...line.matchAll(/="([^"]*)"/g)].map(([, value]) => value));
    t.same([...new Set(labels)], ["other"]);
  },
);
