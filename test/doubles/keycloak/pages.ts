// SPDX-License-Identifier: Apache-2.0
// Renders the pages of the Keycloak double: the ids, names and attributes of Keycloak's own forms, without its styles.

const escapeHtml = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;");

const page = (body: string): string => `<!DOCTYPE html>
<html class="login-pf" lang="en"><head><title>Sign in to matrix</title>
<script type="module">const form = "<form method='post' action='https://elsewhere.invalid'><input type='password' name='p'>";</script>
</head><body>${body}</body></html>`;

/** `message` is there after a wrong password: the status is 200 all the same. */
export const loginPage = (action: string, message?: string): string =>
  page(`<form id="kc-form-login" onsubmit="login.disabled = true; return true;" action="${escapeHtml(action)}" method="post">
<label for="username">Username or email</label>
<input id="username" name="username" value="" type="text" autofocus autocomplete="username" aria-invalid="${message !== undefined}"/>
${message === undefined ? "" : `<span id="input-error" aria-live="polite">${message}</span>`}
<input id="password" name="password" type="password" autocomplete="current-password"/>
<input id="rememberMe" name="rememberMe" type="checkbox"/>
<input type="hidden" id="id-hidden-input" name="credentialId" />
<input name="login" id="kc-login" type="submit" value="Sign In"/>
</form>`);

export const otpPage = (action: string): string =>
  page(`<form id="kc-otp-login-form" action="${escapeHtml(action)}" method="post">
<input id="otp" name="otp" autocomplete="one-time-code" type="text"/><input name="login" type="submit" value="Sign In"/></form>`);

export const updatePasswordPage = (action: string): string =>
  page(`<form id="kc-passwd-update-form" action="${escapeHtml(action)}" method="post">
<input type="password" id="password-new" name="password-new"/><input type="password" id="password-confirm" name="password-confirm"/>
<input type="submit" value="Submit"/></form>`);

export const errorPage = (message: string): string =>
  page(`<div id="kc-error-message"><p class="instruction">${message}</p></div>`);
