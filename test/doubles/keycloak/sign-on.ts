// SPDX-License-Identifier: Apache-2.0
// Implements the browser's part of the Keycloak double: its login form, the steps after it, and the resulting code.
import { createHash, randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { KeycloakClient, KeycloakUser } from "./keycloak.ts";
import { errorPage, loginPage, otpPage, updatePasswordPage } from "./pages.ts";

/** An HTTP answer. */
export type Reply = { status: number; headers?: Record<string, string | string[]>; body?: string };
type Login = {
  client: KeycloakClient;
  redirectUri: string;
  state: string;
  nonce?: string;
  challenge?: string;
};

const html = (status: number, body: string, headers: Record<string, string | string[]> = {}): Reply => ({
  status,
  headers: { "content-type": "text/html;charset=utf-8", ...headers },
  body,
});

export type SignOnOptions = {
  realm: string;
  /** The realm's address. */
  base: () => string;
  users: readonly KeycloakUser[];
  clients: readonly KeycloakClient[];
  /** A password was sent, right or wrong. */
  onPassword: () => void;
};

export const createSignOn = ({ realm, base, users, clients, onPassword }: SignOnOptions) => {
  const logins = new Map<string, Login>();
  const codes = new Map<string, { login: Login; user: KeycloakUser }>();

  const authorize = (query: URLSearchParams): Reply => {
    const client = clients.find(({ id }) => id === query.get("client_id"));
    const redirectUri = query.get("redirect_uri") ?? "";
    if (client === undefined) return html(400, errorPage("Client not found."));
    if (!client.redirectUris?.includes(redirectUri)) {
      return html(400, errorPage("Invalid parameter: redirect_uri"));
    }
    const session = randomUUID();
    const nonce = query.get("nonce");
    const challenge = query.get("code_challenge");
    logins.set(session, {
      client,
      redirectUri,
      state: query.get("state") ?? "",
      ...(nonce !== null && { nonce }),
      ...(challenge !== null && { challenge }),
    });
    const cookie = `AUTH_SESSION_ID=${session}; Version=1; Path=/realms/${realm}/; SameSite=None; Secure; HttpOnly`;
    return html(200, loginPage(action(session)), {
      "set-cookie": [cookie, "KC_RESTART=x; Path=/realms/other/"],
    });
  };

  const action = (session: string, execution = "authenticate") =>
    `${base()}/login-actions/${execution}?session_code=${session}&execution=${randomUUID()}&tab_id=t1`;

  const authenticate = (request: IncomingMessage, query: URLSearchParams, form: URLSearchParams): Reply => {
    const session = query.get("session_code") ?? "";
    const login = logins.get(session);
    const hasCookie = request.headers.cookie?.split("; ").includes(`AUTH_SESSION_ID=${session}`) === true;
    if (login === undefined || !hasCookie) return html(400, errorPage("Restart login cookie not found."));
    onPassword();
    const user = users.find(({ name }) => name === form.get("username")?.toLowerCase());
    if (user === undefined || user.password !== form.get("password")) {
      return html(200, loginPage(action(session), "Invalid username or password."));
    }
    if (user.enabled === false) {
      return html(200, loginPage(action(session), "Account is disabled, contact your administrator."));
    }
    if (user.otp === true) return html(200, otpPage(action(session)));
    if (user.mustChangePassword === true) {
      return { status: 302, headers: { location: action(session, "required-action") } };
    }
    logins.delete(session);
    const code = `${randomUUID()}.${randomUUID()}`;
    codes.set(code, { login, user });
    const back = new URL(login.redirectUri);
    for (const [name, value] of Object.entries({
      state: login.state,
      session_state: session,
      iss: base(),
      code,
    })) {
      back.searchParams.set(name, value);
    }
    return { status: 302, headers: { location: back.href } };
  };

  /** The user of a code, once, and for the client that asked with the same address and the right verifier. */
  const redeem = (client: KeycloakClient, form: URLSearchParams) => {
    const code = form.get("code") ?? "";
    const found = codes.get(code);
    codes.delete(code);
    const { login } = found ?? {};
    const verifier = createHash("sha256")
      .update(form.get("code_verifier") ?? "")
      .digest("base64url");
    if (
      found === undefined ||
      login?.client.id !== client.id ||
      login.redirectUri !== form.get("redirect_uri") ||
      (login.challenge !== undefined && login.challenge !== verifier)
    ) {
      return undefined;
    }
    return { user: found.user, nonce: login.nonce };
  };

  const requiredAction = (query: URLSearchParams): Reply =>
    html(200, updatePasswordPage(action(query.get("session_code") ?? "", "required-action")));

  return { authorize, authenticate, requiredAction, redeem };
};
