// SPDX-License-Identifier: Apache-2.0
// Tests the parsing of sign-on pages and cookies: the form with a password, the filled-in fields, and who gets which cookie.
import t from "tap";
import { createCookieJar } from "../../../server/matrix/login/cookie-jar.ts";
import { fillForm, passwordForm, readPage } from "../../../server/matrix/login/login-page.ts";

const pages: [sentence: string, html: string, action: string | undefined, body?: string][] = [
  [
    "Keycloak's form, its address unescaped",
    '<form id="kc-form-login" action="https://k/a?x=1&amp;y=2" method="post"><input name="username" type="text"><input name="password" type="password"><input type="hidden" name="credentialId"><input type="submit" name="login" value="Sign In"></form>',
    "https://k/a?x=1&y=2",
    "username=bot&password=p%26w&credentialId=",
  ],
  [
    "hidden fields are kept",
    '<form method="POST"><input type=hidden name=csrf value="&lt;1&gt;"><input name=login type=email><input name=pw type=password></form>',
    "",
    "csrf=%3C1%3E&login=bot&pw=p%26w",
  ],
  [
    "a box that is not ticked is not sent",
    "<form method=post><input name=u><input name=p type=password><input type=checkbox name=rememberMe></form>",
    "",
    "u=bot&p=p%26w",
  ],
  [
    "of two forms the one with a password",
    "<form method=post action=/search><input name=q></form><form method=post action=/login><input name=u><input name=p type=password></form>",
    "/login",
    "u=bot&p=p%26w",
  ],
  [
    "a form in a comment or a script is none",
    "<!-- <form method=post><input name=u><input name=p type=password></form> --><script>'<form method=post><input name=u><input name=p type=password></form>'</script>",
    undefined,
  ],
  [
    "a form that would put the password into the address is none",
    "<form method=get><input name=u><input name=p type=password></form>",
    undefined,
  ],
  [
    "a form for a new password is none",
    "<form method=post><input name=a type=password><input name=b type=password></form>",
    undefined,
  ],
  ["a form for a code is none", "<form method=post><input name=otp></form>", undefined],
];
for (const [sentence, html, action, body] of pages) {
  t.test(sentence, async (t) => {
    const form = passwordForm(readPage(html));
    t.equal(form?.action, action);
    if (form) t.equal(fillForm(form, { name: "bot", password: "p&w" }).toString(), body);
  });
}

const cookies: [
  sentence: string,
  setBy: string,
  cookie: string,
  askedBy: string,
  header: string | undefined,
][] = [
  [
    "goes back to its host",
    "https://k.example.org/a/b",
    "s=1; Path=/; HttpOnly",
    "https://k.example.org/x",
    "s=1",
  ],
  ["not to another host", "https://k.example.org/", "s=1", "https://other.example.org/", undefined],
  [
    "not to a host below, unless it says so",
    "https://example.org/",
    "s=1",
    "https://k.example.org/",
    undefined,
  ],
  [
    "to a host below, where it says so",
    "https://example.org/",
    "s=1; Domain=.example.org",
    "https://k.example.org/",
    "s=1",
  ],
  [
    "not for a host that another sets it for",
    "https://evil.org/",
    "s=1; Domain=example.org",
    "https://example.org/",
    undefined,
  ],
  ["not outside its path", "https://k/", "s=1; Path=/realms/a/", "https://k/realms/b/", undefined],
  [
    "not to a path that only starts alike",
    "https://k/",
    "s=1; Path=/realms/a",
    "https://k/realms/ab",
    undefined,
  ],
  ["without a path, below the page that set it", "https://k/a/b", "s=1", "https://k/a/c", "s=1"],
  ["without a path, not above that page", "https://k/a/b", "s=1", "https://k/c", undefined],
  ["Secure not in the clear", "https://k/", "s=1; Secure", "http://k/", undefined],
  [
    "Secure in the clear on this machine, as browsers do",
    "http://127.0.0.1:1/",
    "s=1; Secure",
    "http://127.0.0.1:1/",
    "s=1",
  ],
  ["expired not at all", "https://k/", "s=1; Max-Age=0", "https://k/", undefined],
];
for (const [sentence, setBy, cookie, askedBy, header] of cookies) {
  t.test(`a cookie goes: ${sentence}`, async (t) => {
    const jar = createCookieJar(Date.now);
    jar.store(new URL(setBy), [cookie]);
    t.equal(jar.header(new URL(askedBy)), header);
  });
}

t.test("a cookie is replaced, and taken back", async (t) => {
  const url = new URL("https://k/");
  const jar = createCookieJar(Date.now);
  jar.store(url, ["a=1", "b=1"]);
  jar.store(url, "a=2");
  t.equal(jar.header(url), "a=2; b=1");
  jar.store(url, "a=; Max-Age=0");
  t.equal(jar.header(url), "b=1");
  jar.store(url, "b=; Expires=Thu, 01 Jan 1970 00:00:10 GMT");
  t.equal(jar.header(url), undefined);
});
