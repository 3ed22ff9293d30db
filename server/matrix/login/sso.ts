// SPDX-License-Identifier: Apache-2.0
// Logs in through a provider's web pages as a browser would: to its login form, and back with a login token.
// https://spec.matrix.org/latest/client-server-api/#sso-client-login-authentication
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { localpartOf, type MatrixAuth } from "../../config/matrix.ts";
import type { HttpReply } from "../http-exchange.ts";
import { createCookieJar } from "./cookie-jar.ts";
import { fillForm, passwordForm, readPage } from "./login-page.ts";
import { postLogin, refusal } from "./matrix-login.ts";
import {
  type DeviceOptions,
  failure,
  LOG_IN_TIMEOUT_MS,
  type LogInDeps,
  type LogInFailure,
  type LogInOutcome,
} from "./outcome.ts";

type SsoAuth = Extract<MatrixAuth, { method: "sso" }>;

/** Where the homeserver is to send the browser at last. It is never fetched; RFC 6761 keeps the name from existing. */
const RETURN_TO = new URL("https://keyswitch.invalid/login");

/** A sign-on has about six steps. */
const MAX_STEPS = 20;

const OTHERWISE = "Use an account without it, or AUTH_METHOD=jwt or token.";

/** The fault of a step, with the party whose page it was. */
const stuck = (atHomeserver: boolean, reason: string, retry = false): LogInFailure =>
  failure(atHomeserver ? "matrix" : "keycloak", reason, { retry });

export const logInWithSso = async (
  auth: SsoAuth,
  deps: LogInDeps,
  device: DeviceOptions,
): Promise<LogInOutcome> => {
  const found = await walk(auth, deps);
  if (!found.ok) return found;
  deps.onStep?.({ step: "login-token" });
  return postLogin(
    deps,
    {
      body: { type: "m.login.token", token: found.loginToken },
      forbidden: "The homeserver refused the login token that its own sign-on gave. Look into its log.",
    },
    device,
  );
};

/** https://spec.matrix.org/latest/client-server-api/#get_matrixclientv3login, with the m.login.sso flow's providers */
const Flows = Type.Object({
  flows: Type.Array(
    Type.Object({
      type: Type.String(),
      identity_providers: Type.Optional(Type.Array(Type.Object({ id: Type.String() }))),
    }),
  ),
});

/** The provider's id at the homeserver. Synapse puts `oidc-` before the idp_id of its configuration; both are taken. */
const findProvider = async ({ idpId }: SsoAuth, deps: LogInDeps): Promise<string | LogInFailure> => {
  const answer = await deps.http.request({
    method: "GET",
    path: "/_matrix/client/v3/login",
    timeoutMs: LOG_IN_TIMEOUT_MS,
    ...(deps.signal !== undefined && { signal: deps.signal }),
  });
  if (!answer.ok) return refusal(answer, "to say how one logs in");
  if (!Value.Check(Flows, answer.body)) {
    return failure("matrix", "The homeserver's list of login types is not one that Matrix knows.");
  }
  const sso = answer.body.flows.find(({ type }) => type === "m.login.sso");
  const ids = (sso?.identity_providers ?? []).map(({ id }) => id);
  const found = [idpId, `oidc-${idpId}`].find((id) => ids.includes(id));
  if (found !== undefined) return found;
  const offered = ids.filter((id) => /^[\w.~-]{1,255}$/.test(id)).join(", ");
  return failure(
    "matrix",
    `The homeserver has no sign-on with the provider ${idpId}; it has ${offered || "none"}. ` +
      "Check SSO_IDP_ID against idp_id in Synapse's oidc_providers.",
  );
};

type Step = { method: "GET" | "POST"; url: URL; body?: string };

/** Follows redirects and pages until the homeserver gives a login token. */
const walk = async (
  auth: SsoAuth,
  deps: LogInDeps,
): Promise<{ ok: true; loginToken: string } | LogInFailure> => {
  const jar = createCookieJar(deps.now);
  const provider = await findProvider(auth, deps);
  if (typeof provider !== "string") return provider;
  const start = new URL(
    `${deps.http.homeserver}/_matrix/client/v3/login/sso/redirect/${encodeURIComponent(provider)}`,
  );
  start.searchParams.set("redirectUrl", RETURN_TO.href);
  const browser: Browser = { auth, deps, start, hasPosted: false };
  let step: Step = { method: "GET", url: start };
  for (let steps = 0; steps < MAX_STEPS; steps += 1) {
    const cookie = jar.header(step.url);
    const reply = await deps.exchange.send({
      method: step.method,
      url: step.url,
      headers: {
        accept: "text/html",
        ...(cookie !== undefined && { cookie }),
        ...(step.body !== undefined && { "content-type": "application/x-www-form-urlencoded" }),
      },
      ...(step.body !== undefined && { body: step.body }),
      timeoutMs: LOG_IN_TIMEOUT_MS,
      ...(deps.signal !== undefined && { signal: deps.signal }),
      repeatable: step.method === "GET",
    });
    if (!reply.ok) {
      const who = step.url.origin === start.origin ? "The homeserver" : `${step.url.origin}, the provider,`;
      return stuck(step.url.origin === start.origin, `${who} ${reply.what}.`, reply.kind !== "refused");
    }
    jar.store(step.url, reply.headers["set-cookie"]);
    const next = follow(browser, step, reply);
    if ("ok" in next) return next;
    step = next;
  }
  return stuck(false, "The sign-on goes in circles. Try it with a browser and a private window.");
};

type Browser = {
  readonly auth: SsoAuth;
  readonly deps: LogInDeps;
  readonly start: URL;
  /** The password has been sent; it is sent once only, as a wrong one counts. */
  hasPosted: boolean;
};

const follow = (
  browser: Browser,
  step: Step,
  reply: HttpReply,
): Step | { ok: true; loginToken: string } | LogInFailure => {
  const { url } = step;
  const { status } = reply;
  const isFirst = url.href === browser.start.href;
  if (status >= 300 && status < 400) {
    const { location } = reply.headers;
    const target = typeof location === "string" ? URL.parse(location, url.href) : null;
    if (target === null || !/^https?:$/.test(target.protocol)) {
      return stuck(isFirst, "The sign-on leads to no address. Look into the homeserver's log.");
    }
    const loginToken = tokenIn(target);
    if (loginToken !== undefined) return { ok: true, loginToken };
    // The body is dropped as browsers do; 307 and 308 would send the password on, which is refused.
    if (step.body !== undefined && (status === 307 || status === 308)) {
      return stuck(false, "The provider wants the password sent on to another address, which is refused.");
    }
    return { method: "GET", url: target };
  }
  if (isFirst && status !== 200) {
    return stuck(
      true,
      `The homeserver could not start the sign-on (it answered ${status}). Its log says why.`,
      status >= 500,
    );
  }
  return readReply(browser, url, reply);
};

const readReply = (
  browser: Browser,
  url: URL,
  reply: HttpReply,
): Step | { ok: true; loginToken: string } | LogInFailure => {
  const { auth, deps, start } = browser;
  const page = readPage(reply.body.toString("utf8"));
  for (const link of page.links) {
    const target = URL.parse(link, url.href);
    const loginToken = target === null ? undefined : tokenIn(target);
    if (loginToken !== undefined) return { ok: true, loginToken };
  }
  const form = passwordForm(page);
  if (form !== undefined && browser.hasPosted) {
    return failure(
      "keycloak",
      `The provider refused the user name ${localpartOf(auth.user)} or its password. ` +
        `Check MATRIX_USER and ${auth.password.source}.`,
    );
  }
  if (form === undefined) return deadEnd(browser, url, reply, page.forms.length > 0);
  const action = URL.parse(form.action === "" ? url.href : form.action, url.href);
  if (action === null || action.origin !== url.origin) {
    return failure("keycloak", "The provider's form sends the password to another host, which is refused.");
  }
  if (action.protocol === "http:" && start.protocol === "https:") {
    return failure(
      "keycloak",
      "The provider's form sends the password unencrypted, which is refused. Give it https.",
    );
  }
  browser.hasPosted = true;
  deps.onStep?.({ step: "login-form", origin: action.origin });
  const credentials = { name: localpartOf(auth.user), password: auth.password.reveal() };
  return { method: "POST", url: action, body: fillForm(form, credentials).toString() };
};

/** A page that a person would have to deal with. */
const deadEnd = (browser: Browser, url: URL, { status }: HttpReply, hasForm: boolean): LogInFailure => {
  const atHomeserver = url.pathname.startsWith("/_synapse/") || url.pathname.startsWith("/_matrix/");
  if (atHomeserver) {
    return failure(
      "matrix",
      hasForm || url.pathname.startsWith("/_synapse/client/pick_username")
        ? "The homeserver asks a question that only a person can answer. Log in once with a browser, then try again."
        : `The homeserver refused what the provider told it (${status}). Check oidc_providers; its log says what failed.`,
      { retry: status >= 500 },
    );
  }
  if (!browser.hasPosted) {
    return failure(
      "keycloak",
      `The provider at ${url.origin} shows no form for a name and a password (${status}). ` +
        "Only a sign-on with both on one page is supported; otherwise use AUTH_METHOD=jwt or token.",
      { retry: status >= 500 },
    );
  }
  return failure(
    "keycloak",
    `After the password the provider at ${url.origin} asks for more (${status}): ` +
      `a second factor, consent, or a required action such as a new password. ${OTHERWISE}`,
    { retry: status >= 500 },
  );
};

/** The login token, where `target` is the address that the homeserver was told to return to. */
const tokenIn = (target: URL): string | undefined =>
  target.origin === RETURN_TO.origin && target.pathname === RETURN_TO.pathname
    ? (target.searchParams.get("loginToken") ?? undefined)
    : undefined;
