// SPDX-License-Identifier: Apache-2.0
// Logs in with the user's name and password at the homeserver itself.
import type { MatrixAuth } from "../../config/matrix.ts";
import { postLogin } from "./matrix-login.ts";
import type { DeviceOptions, LogInDeps, LogInOutcome } from "./outcome.ts";

export const logInWithPassword = (
  auth: Extract<MatrixAuth, { method: "password" }>,
  deps: LogInDeps,
  device: DeviceOptions,
): Promise<LogInOutcome> =>
  postLogin(
    deps,
    {
      body: {
        type: "m.login.password",
        identifier: { type: "m.id.user", user: auth.user },
        password: auth.password.reveal(),
      },
      forbidden:
        "The homeserver refused the user name or the password. " +
        `Check MATRIX_USER and ${auth.password.source}. An account that logs in through Keycloak may have no password here: ` +
        "then AUTH_METHOD must be jwt or sso.",
    },
    device,
  );
