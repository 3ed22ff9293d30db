// SPDX-License-Identifier: Apache-2.0
// Tests the parsing of commands; each row is a message.
import fc from "fast-check";
import t from "tap";
import { type Command, commandOf } from "../../server/bot/command.ts";

const unknown: Command = { verb: "unknown" };
const day = 86_400;
const rows: [text: string, command: Command][] = [
  ["start", { verb: "start" }],
  ["on", { verb: "start" }],
  ["stop", { verb: "stop" }],
  ["off", { verb: "stop" }],
  ["status", { verb: "status" }],
  ["help", { verb: "help" }],
  ["list", { verb: "list" }],
  ["  STOP \t", { verb: "stop" }],
  ["Start Web", { verb: "start", toggle: "web" }],
  ["stop\u00a0web", { verb: "stop", toggle: "web" }],
  ["\nstop\n", { verb: "stop" }],
  ["start 2h", { verb: "start", seconds: 7200 }],
  ["on web 90m", { verb: "start", toggle: "web", seconds: 5400 }],
  ["start 1h30m web", { verb: "start", toggle: "web", seconds: 5400 }],
  ["start 1D", { verb: "start", seconds: day }],
  ["start 1m", { verb: "start", seconds: 60 }],
  ["start 365d", { verb: "start", seconds: 365 * day }],
  ["start 364d24h", { verb: "start", seconds: 365 * day }],
  ["start 3scale", { verb: "start", toggle: "3scale" }],
  ["start 2048-game", { verb: "start", toggle: "2048-game" }],
  ["status 5", { verb: "status", toggle: "5" }],
  ["stop web api", { verb: "stop", toggles: ["web", "api"] }],
  ["stop web, Api and db", { verb: "stop", toggles: ["web", "api", "db"] }],
  [
    "stop web,api 2h",
    {
      verb: "refused",
      text: "stop takes no time: it stays off until somebody starts it. For later write stop in 2h, or stop at 18:00.",
    },
  ],
  ["start web,api 2h", { verb: "start", toggles: ["web", "api"], seconds: 7200 }],
  ["stop web web", { verb: "stop", toggle: "web" }],
  ["restart", { verb: "restart" }],
  ["Restart web!", { verb: "restart", toggle: "web" }],
  ["restart web, api", { verb: "restart", toggles: ["web", "api"] }],
  ["restart all", { verb: "restart", all: true }],
  ["stop all", { verb: "stop", all: true }],
  ["Start ALL 2h because of the fair", { verb: "start", all: true, seconds: 7200, reason: "of the fair" }],
  ["status all", { verb: "status" }],
  ["status web api", { verb: "status", toggles: ["web", "api"] }],
  // Whether these are names is seen when they are looked up.
  ["start the music", { verb: "start", toggles: ["the", "music"] }],
  [`stop ${"a b c d e f g h i j k l m n o p q r s t u v"}`, unknown],
  ["stop.", { verb: "stop" }],
  ["start!", { verb: "start" }],
  ["Stop web!!", { verb: "stop", toggle: "web" }],
  ["stop it!", { verb: "stop", toggle: "it" }],
  ["start 5min", { verb: "start", seconds: 300 }],
  ["start 1.5h", { verb: "start", seconds: 5400 }],
  ["start 1,5h", { verb: "start", seconds: 5400 }],
  ["start web 1w", { verb: "start", toggle: "web", seconds: 7 * day }],
  ["start 2hours", { verb: "start", seconds: 7200 }],
  ["start 1week2days3hrs4mins", { verb: "start", seconds: 9 * day + 3 * 3600 + 240 }],
  ["start web for 2h.", { verb: "start", toggle: "web", seconds: 7200 }],
  ["start until 18:00", { verb: "start", time: "18:00" }],
  [
    "start web until 7:05 because of the fair",
    { verb: "start", toggle: "web", time: "07:05", reason: "of the fair" },
  ],
  ["stop in 2h", { verb: "stop", seconds: 7200 }],
  ["stop web in 30min", { verb: "stop", toggle: "web", seconds: 1800 }],
  ["stop at 18:00", { verb: "stop", time: "18:00" }],
  ["start in", { verb: "start", toggle: "in" }],
  ["stop web because the disk is full.", { verb: "stop", toggle: "web", reason: "the disk is full." }],
  ["stop web because the disk is full", { verb: "stop", toggle: "web", reason: "the disk is full" }],
  ["stop BECAUSE of  two  spaces", { verb: "stop", reason: "of  two  spaces" }],
  ["start 2h because because", { verb: "start", seconds: 7200, reason: "because" }],
  ["stop because \u202ebell\u0007", { verb: "stop", reason: "bell" }],
  // Tried in all ways in which it can be cut into minutes, this would take years.
  [`start 1${"mins".repeat(60)}x`, { verb: "start", toggle: `1${"mins".repeat(60)}x` }],
  ["", unknown],
  ["   ", unknown],
  ["stopp", unknown],
  ["!stop", unknown],
  ["please stop", unknown],
  ["start 2h 3h", unknown],
  ["status because I ask", unknown],
  ["list all", unknown],
  ["help me", unknown],
  ["because", unknown],
  ["because stop", unknown],
  ["stop\nweb", unknown],
  ["stop\r\nI mean it", unknown],
  ["stop\u2028web", unknown],
  ["> stop\n\nno", unknown],
  ["constructor", unknown],
  ["__proto__ web", unknown],
  [`stop ${"a".repeat(254)}`, unknown],
  ["stop ../etc", unknown],
];

for (const [text, command] of rows) {
  // A line separator would end the line of the test's own output.
  t.same(commandOf(text), command, JSON.stringify(text).replace("\u2028", "\\u2028").slice(0, 60));
}

const refusals: [text: string, why: RegExp][] = [
  ["start 59s", /“59s” is not a time that I understand.*30m, 2h or 1d12h/],
  ["start 5", /“5” is not a time/],
  ["start -2h", /not a time/],
  ["start 30m1h", /not a time/],
  ["start 1h1h", /not a time/],
  ["restart web because it hangs", /restart takes no reason/],
  ["start 1mo", /not a time/],
  ["start until tomorrow", /“tomorrow” is not a time of day\. Write it like 18:00/],
  ["start 18:00", /write until 18:00/],
  ["start 0.5m", /“0.5m” is not between/],
  ["stop in 0m", /not between/],
  ["start 0m", /“0m” is not between 1m and 365d/],
  ["start 366d", /not between/],
  ["start 999999999d", /not between/],
  ["start 365d1m", /not between/],
  ["stop 2h", /stop takes no time/],
  ["stop web because", /Write why after/],
  ["stop because   ", /Write why after/],
  [`stop because ${"x".repeat(1025)}`, /1025 characters; at most 1024/],
];

for (const [text, why] of refusals) {
  t.match(commandOf(text), { verb: "refused", text: why }, text.slice(0, 60));
}

t.match(
  commandOf(`stop because ${"x".repeat(1024)}`),
  { verb: "stop" },
  "a reason of 1024 characters is kept",
);

t.test("only a whole command switches anything", async (t) => {
  const word = fc.constantFrom("start", "stop", "ON", "web", "2h", "because", "please", "\n", "x y", "9");
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(word).map((words) => words.join(" ")),
      ),
      (text) => {
        const command = commandOf(text);
        if (command.verb !== "start" && command.verb !== "stop") return;
        const [head = ""] = text.trim().split(/\sbecause(?:\s|$)/i);
        const words = head.trim().split(/\s+/);
        return (
          /^(start|stop|on|off)[.!]*$/i.test(words[0] ?? "") &&
          words.length <= 22 &&
          !/[\n\r]/.test(text.trim())
        );
      },
    ),
    { numRuns: 3000 },
  );
  t.pass("every other text does not");
});
