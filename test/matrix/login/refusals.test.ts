// SPDX-License-Identifier: Apache-2.0
// Tests log-ins at misbehaving homeservers and providers: each error says what to do, and no password goes to the wrong server.
import { randomBytes } from "node:crypto";
import t from "tap";
import { parseMatrixConfig } from "../../../server/config/matrix.ts";
import { createMatrixHttp } from "../../../server/matrix/http.ts";
import type {
  HttpExchange,
  HttpFailure,
  HttpReply,
  HttpRequest,
} from "../../../server/matrix/http-exchange.ts";
import { logIn } from "../../../server/matrix/login/log-in.ts";
import type { LogInOutcome } from "../../../server/matrix/login/outcome.ts";

const password = randomBytes(12).toString("hex");

type Answer = Omit<HttpReply, "ok" | "body"> & { body: string };
const json = (status: number, value: unknown): Answer => ({
  status,
  headers: {},
  body: JSON.stringify(value),
});
const page = (body: string, status = 200): Answer => ({ status, headers: {}, body });
const redirect = (location: string, status = 302): Answer => ({ status, headers: { location }, body: "" });

/** Logs in where `answer` is what the whole network says; also tells what was sent. */
const against = async (
  env: Record<string, string>,
  answer: (request: HttpRequest) => Answer | HttpFailure,
): Promise<{ outcome: LogInOutcome; sent: HttpRequest[] }> => {
  const parsed = parseMatrixConfig({ MATRIX_USER: "bot", MATRIX_PASSWORD: password, ...env });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.faults));
  const sent: HttpRequest[] = [];
  const exchange: HttpExchange = {
    async send(request) {
      sent.push(request);
      const reply = answer(request);
      return "ok" in reply ? reply : { ok: true, ...reply, body: Buffer.from(reply.body) };
    },
    close: async () => {},
  };
  const http = createMatrixHttp({ homeserver: parsed.config.homeserver, exchange });
  return { outcome: await logIn(parsed.config, { http, exchange, now: Date.now }), sent };
};

const error = (status: number, errcode: string, more = {}) =>
  json(status, { errcode, error: "its own text", ...more });
const flows = json(200, { flows: [{ type: "m.login.password" }] });

const refusals: [sentence: string, answer: Answer | HttpFailure, expected: object][] = [
  [
    "wants fewer log-ins",
    error(429, "M_LIMIT_EXCEEDED", { retry_after_ms: 1200 }),
    { retry: true, retryAfterMs: 1200, reason: /wants fewer log-ins/ },
  ],
  ["has deactivated the user", error(403, "M_USER_DEACTIVATED"), { retry: false, reason: /is deactivated/ }],
  [
    "has locked the user",
    error(401, "M_USER_LOCKED", { soft_logout: true }),
    { retry: true, reason: /is locked/ },
  ],
  ["fails", error(500, "M_UNKNOWN"), { retry: true, reason: /answered 500 M_UNKNOWN. Look into its log/ }],
  [
    "is behind a proxy that fails",
    page("<p>bad gateway", 502),
    { retry: true, reason: /answered 502 without a Matrix error/ },
  ],
  [
    "is behind a proxy that wants fewer",
    { ...page("", 429), headers: { "retry-after": "7" } },
    { retry: true, retryAfterMs: 7000 },
  ],
  [
    "is something else",
    page("<p>hello"),
    { retry: false, reason: /must be the address of a homeserver's client API/ },
  ],
  [
    "refuses for a reason of its own",
    error(400, "ORG_EXAMPLE_ODD"),
    { retry: false, reason: /refused the log-in: it answered 400 ORG_EXAMPLE_ODD/ },
  ],
  [
    "answers with no session",
    json(200, { user_id: "@bot:x" }),
    { retry: false, reason: /not one that Matrix knows/ },
  ],
  [
    "is too slow",
    { ok: false, kind: "timeout", what: "did not answer in time" },
    { retry: true, reason: /did not answer in time/ },
  ],
];
for (const [sentence, answer, expected] of refusals) {
  t.test(`a homeserver that ${sentence}`, async (t) => {
    const { outcome, sent } = await against({}, ({ method }) => (method === "GET" ? flows : answer));
    t.match(outcome, { ok: false, stage: "matrix", ...expected });
    t.notOk(JSON.stringify(outcome).includes("its own text"));
    t.equal(sent.filter(({ method }) => method === "POST").length, 1, "one log-in");
    t.ok(
      sent.every(({ method, repeatable }) => method !== "POST" || !repeatable),
      "and none that is repeated",
    );
  });
}

const form = (action: string) =>
  page(
    `<form method=post action="${action}"><input name=username><input name=password type=password></form>`,
  );
const isStart = ({ url }: HttpRequest) => url.pathname.includes("/sso/redirect/");
const providers = json(200, {
  flows: [{ type: "m.login.sso", identity_providers: [{ id: "oidc-keycloak" }] }],
});

const signOns: [
  sentence: string,
  answer: (request: HttpRequest) => Answer | HttpFailure,
  expected: object,
  posts: number,
][] = [
  [
    "has a form that sends the password to another host",
    () => form("https://elsewhere.example.org/"),
    { stage: "keycloak", reason: /to another host, which is refused/ },
    0,
  ],
  [
    "has a form that sends it unencrypted",
    (r) => (isStart(r) ? redirect("http://k.example.org/form") : form("/in")),
    { stage: "keycloak", reason: /unencrypted, which is refused/ },
    0,
  ],
  [
    "wants the password sent on",
    (r) => (r.method === "POST" ? redirect("https://elsewhere.example.org/", 307) : form("/in")),
    { stage: "keycloak", reason: /sent on to another address/ },
    1,
  ],
  [
    "shows its form again and again",
    () => form("/in"),
    { stage: "keycloak", reason: /refused the user name bot/ },
    1,
  ],
  ["goes in circles", () => redirect("/round"), { stage: "keycloak", reason: /goes in circles/ }, 0],
  [
    "leads to no address",
    () => redirect("javascript:1"),
    { stage: "matrix", reason: /leads to no address/ },
    0,
  ],
  [
    "shows no form",
    (r) => (isStart(r) ? redirect("https://k.example.org/") : page("<p>Use your phone")),
    { stage: "keycloak", reason: /shows no form for a name and a password/ },
    0,
  ],
  [
    "fails",
    (r) => (isStart(r) ? redirect("https://k.example.org/") : page("", 503)),
    { stage: "keycloak", retry: true },
    0,
  ],
  [
    "is down",
    (r) =>
      isStart(r)
        ? redirect("https://k.example.org/")
        : { ok: false, kind: "unreachable", what: "refused the connection" },
    {
      stage: "keycloak",
      retry: true,
      reason: /https:\/\/k\.example\.org, the provider, refused the connection/,
    },
    0,
  ],
  [
    "makes the homeserver ask for a name",
    (r) =>
      isStart(r)
        ? redirect("/_synapse/client/pick_username/account_details")
        : page("<form method=post><input name=username></form>"),
    { stage: "matrix", reason: /only a person can answer/ },
    0,
  ],
  [
    "tells the homeserver something that it refuses",
    (r) => (isStart(r) ? redirect("/_synapse/client/oidc/callback?error=x") : page("<p>no", 400)),
    { stage: "matrix", reason: /refused what the provider told it \(400\)/ },
    0,
  ],
  [
    "is not started by the homeserver",
    () => page("", 500),
    { stage: "matrix", retry: true, reason: /could not start the sign-on/ },
    0,
  ],
  [
    "gives its login token to another address",
    () => redirect("https://keyswitch.invalid.example.org/login?loginToken=x"),
    { stage: "keycloak", reason: /goes in circles/ },
    0,
  ],
];
for (const [sentence, answer, expected, posts] of signOns) {
  t.test(`a sign-on that ${sentence}`, async (t) => {
    const env = { AUTH_METHOD: "sso", MATRIX_HOMESERVER: "https://matrix.example.org" };
    const { outcome, sent } = await against(env, (request) =>
      request.url.pathname === "/_matrix/client/v3/login" ? providers : answer(request),
    );
    t.match(outcome, { ok: false, ...expected });
    const told = sent.filter(({ body }) => body?.toString().includes(password));
    t.equal(told.length, posts, "the password is sent no more often");
    t.ok(
      told.every(({ url }) => url.origin === "https://matrix.example.org"),
      "nor elsewhere",
    );
    t.notOk(
      sent.some(({ url }) => url.href.startsWith("https://keyswitch.invalid/")),
      "the last address is not asked",
    );
  });
}

t.test("a homeserver that follows a wish to skip its own page is fine", async (t) => {
  const { outcome } = await against({ AUTH_METHOD: "sso" }, (request) => {
    if (isStart(request)) return redirect(`${request.url.searchParams.get("redirectUrl")}?loginToken=abc`);
    if (request.method === "GET") return providers;
    t.match(JSON.parse(String(request.body)), { type: "m.login.token", token: "abc" });
    return json(200, { user_id: "@bot:x", device_id: "D", access_token: "t" });
  });
  t.same(outcome, { ok: true, session: { userId: "@bot:x", deviceId: "D", accessToken: "t" } });
});
