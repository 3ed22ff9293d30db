// SPDX-License-Identifier: Apache-2.0
// Tests the configuration of the API server: every kind of kubeconfig, and the messages of those that are refused.

import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inspect } from "node:util";
import t from "tap";
import { stringify } from "yaml";
import { deepFreeze, readVariables } from "../../server/config/variables.ts";
import { KUBERNETES_VARIABLES, readKubernetes } from "../../server/kubernetes/config.ts";
import { createAuthority } from "../http/authority.ts";
import { recordedLog } from "../http/recorded-log.ts";

const directory = t.testdir({});
const authority = createAuthority(directory);
const pair = authority.issue("ann");
const other = authority.issue("ben");
const bearerToken = randomBytes(16).toString("hex");
writeFileSync(join(directory, "token"), `${bearerToken}\n`);
writeFileSync(join(directory, "empty"), "");
const base64 = (path: string) => readFileSync(path).toString("base64");
const caData = base64(authority.caFile);
const [certData, keyData] = [base64(pair.certFile), base64(pair.keyFile)];

const document = (cluster: object = {}, user: object | null = {}, context: object = {}) => ({
  apiVersion: "v1",
  kind: "Config",
  "current-context": "here",
  clusters: [
    { name: "elsewhere", cluster: { server: "https://elsewhere.example" } },
    { name: "c", cluster: { server: "https://api.example:6443", ...cluster } },
  ],
  contexts: [
    { name: "there", context: { cluster: "elsewhere", user: "nobody" } },
    { name: "here", context: { cluster: "c", user: "u", ...context } },
  ],
  users: [
    { name: "nobody", user: { exec: { args: "of a user that does not count" } } },
    { name: "u", user },
  ],
});

const read = (contents: unknown, name = "kubeconfig") => {
  const path = join(directory, name);
  writeFileSync(path, typeof contents === "string" ? contents : stringify(contents));
  const reader = readVariables({ KUBECONFIG: path }, KUBERNETES_VARIABLES);
  return { config: readKubernetes(reader, join(directory, "none")), faults: reader.faults, path };
};

const origin = "https://api.example:6443";
const exec = {
  apiVersion: "client.authentication.k8s.io/v1",
  command: "aws",
  args: ["eks", "get-token"],
  env: null,
  interactiveMode: "IfAvailable",
};
const accepted: readonly (readonly [string, object, object])[] = [
  ["a server alone", document(), { origin, pathPrefix: "", credentials: { kind: "none" } }],
  ["a user that is null", document({}, null), { credentials: { kind: "none" } }],
  [
    "a server with a path",
    document({ server: "https://r.example/k8s/c-1/" }),
    { origin: "https://r.example", pathPrefix: "/k8s/c-1" },
  ],
  ["http on loopback", document({ server: "http://127.0.0.1:8001" }), { origin: "http://127.0.0.1:8001" }],
  ["an IPv6 address", document({ server: "https://[fd00::1]:6443" }), { origin: "https://[fd00::1]:6443" }],
  ["a namespace", document({}, {}, { namespace: "demo" }), { namespace: "demo" }],
  [
    "a CA file beside it",
    document({ "certificate-authority": "ca.pem" }),
    { ca: { file: authority.caFile } },
  ],
  [
    "a CA file by its path",
    document({ "certificate-authority": authority.caFile }),
    { ca: { file: authority.caFile } },
  ],
  [
    "CA data, which goes before a file",
    document({ "certificate-authority-data": caData, "certificate-authority": "none" }),
    { ca: { pem: authority.ca.toString() } },
  ],
  ["a server name", document({ "tls-server-name": "x" }), { serverName: "x" }],
  ["insecure-skip-tls-verify: false", document({ "insecure-skip-tls-verify": false }), { origin }],
  ["a token", document({}, { token: bearerToken }), { credentials: { kind: "token" } }],
  [
    "a token file, which goes before a token",
    document({}, { tokenFile: "token", token: bearerToken }),
    { credentials: { kind: "token-file", path: join(directory, "token") } },
  ],
  [
    "certificate files",
    document({}, { "client-certificate": "ann.pem", "client-key": "ann-key.pem" }),
    {
      credentials: {
        kind: "client-certificate",
        certificate: { kind: "files", certFile: pair.certFile, keyFile: pair.keyFile },
      },
    },
  ],
  [
    "certificate data",
    document({}, { "client-certificate-data": certData, "client-key-data": keyData }),
    {
      credentials: {
        kind: "client-certificate",
        certificate: { kind: "inline", cert: pair.cert.toString() },
      },
    },
  ],
  ["an exec plugin", document({}, { exec }), { credentials: { kind: "exec", plugin: { command: "aws" } } }],
  [
    "an exec plugin of v1beta1, which need not say whether it asks",
    document({}, { exec: { apiVersion: "client.authentication.k8s.io/v1beta1", command: "bin/aws" } }),
    { credentials: { kind: "exec", plugin: { command: join(directory, "bin/aws") } } },
  ],
  ["a proxy", document({ "proxy-url": "http://p:3128" }), { proxy: { source: "KUBECONFIG" } }],
  ["JSON, which is YAML", JSON.parse(JSON.stringify(document())), { origin }],
];
for (const [what, contents, expected] of accepted) {
  t.test(`a kubeconfig with ${what} is understood`, async (t) => {
    const { config, faults } = read(contents);
    t.same(faults, []);
    t.match(config, expected);
  });
}

const refused: readonly (readonly [string, unknown, RegExp])[] = [
  ["what is not YAML", "a: [", /is not YAML$/],
  ["an empty file", "", /is not a kubeconfig/],
  ["a list", [], /is not a kubeconfig/],
  [
    "clusters of another shape",
    { ...document(), clusters: [{ name: "c" }] },
    /is not a kubeconfig \(kubeconfig\.clusters/,
  ],
  ["no current-context", { ...document(), "current-context": "" }, /has no current-context: set one with/],
  ["a context that is not there", { ...document(), "current-context": "x" }, /has no context of the name/],
  [
    "nothing but nulls",
    { ...document(), clusters: null, contexts: null, users: null },
    /has no context of the name/,
  ],
  ["a cluster that is not there", document({}, {}, { cluster: "x" }), /has no cluster of the name/],
  ["a user that is not there", document({}, {}, { user: "x" }), /has no user of the name/],
  [
    "insecure-skip-tls-verify",
    document({ "insecure-skip-tls-verify": true }),
    /insecure-skip-tls-verify: give the cluster's certificate-authority/,
  ],
  [
    "a SOCKS proxy",
    document({ "proxy-url": `socks5://ann:${bearerToken}@p` }),
    /proxy-url that must be the http:/,
  ],
  ["a proxy that is no address", document({ "proxy-url": "http://" }), /proxy-url that must be the http:/],
  [
    "an exec plugin of a version that Kubernetes has removed",
    document({}, { exec: { ...exec, apiVersion: "client.authentication.k8s.io/v1alpha1" } }),
    /exec plugin whose apiVersion is not client\.authentication\.k8s\.io\/v1 or .*v1beta1$/,
  ],
  [
    "an exec plugin of v1 that does not say whether it asks a person",
    document({}, { exec: { ...exec, interactiveMode: undefined } }),
    /exec plugin whose interactiveMode is not one of Never, IfAvailable, Always$/,
  ],
  [
    "an exec plugin that needs a person",
    document({}, { exec: { ...exec, interactiveMode: "Always" } }),
    /exec plugin that always asks a person \(interactiveMode: Always\)$/,
  ],
  [
    "an exec plugin and a token",
    document({}, { exec, token: bearerToken }),
    /exec plugin and other credentials: keep one/,
  ],
  [
    "an exec plugin without a command",
    document({}, { exec: { args: [bearerToken] } }),
    /exec plugin that is none \(exec\.command/,
  ],
  ["auth-provider", document({}, { "auth-provider": { name: "gcp" } }), /auth-provider, .*: use a token/],
  ["a password", document({}, { username: "ann", password: bearerToken }), /password, .*: use a token/],
  ["impersonation", document({}, { token: bearerToken, as: "root" }), /impersonates another/],
  [
    "a token and a certificate",
    document({}, { token: bearerToken, "client-certificate": "ann.pem" }),
    /keep one of them/,
  ],
  ["http beyond loopback", document({ server: "http://10.0.0.1" }), /http:\/\/ beyond loopback: use https/],
  ["no address", document({ server: "api" }), /no https:\/\/ address/],
  ["another scheme", document({ server: "ftp://api" }), /no https:\/\/ address/],
  ["credentials in the address", document({ server: `https://ann:${bearerToken}@api` }), /more than a host/],
  [
    "a CA file that is not there",
    document({ "certificate-authority": "x" }),
    /certificate-authority .*, which does not exist/,
  ],
  [
    "a CA file without a certificate",
    document({ "certificate-authority": "token" }),
    /holds no PEM certificate/,
  ],
  ["CA data without a certificate", document({ "certificate-authority-data": "AAAA" }), /no PEM certificate/],
  [
    "CA data that is not base64",
    document({ "certificate-authority-data": "%%" }),
    /certificate-authority-data/,
  ],
  ["a token file that is not there", document({}, { tokenFile: "x" }), /tokenFile .*, which does not exist/],
  ["a token file that is empty", document({}, { tokenFile: "empty" }), /tokenFile .*, which holds no token/],
  ["a token that is none", document({}, { token: `${bearerToken} x` }), /no bearer token/],
  ["a certificate without a key", document({}, { "client-certificate": "ann.pem" }), /without a client-key/],
  [
    "a file and data",
    document({}, { "client-certificate": "ann.pem", "client-key-data": keyData }),
    /one is a file and one is data/,
  ],
  [
    "a key that is not there",
    document({}, { "client-certificate": "ann.pem", "client-key": "x" }),
    /client-key .*, which does not exist/,
  ],
  [
    "a key of another certificate",
    document({}, { "client-certificate": "ann.pem", "client-key": "ben-key.pem" }),
    /do not fit together/,
  ],
  [
    "data of two pairs",
    document({}, { "client-certificate-data": base64(other.certFile), "client-key-data": keyData }),
    /do not fit together/,
  ],
];
for (const [what, contents, message] of refused) {
  t.test(`a kubeconfig with ${what} is refused, and the fault says why`, async (t) => {
    const { config, faults, path } = read(contents);
    t.equal(config, undefined);
    t.match(faults, [{ name: "KUBECONFIG", message }]);
    t.equal(faults.length, 1);
    t.ok(faults[0]?.message.startsWith(`${path} `));
    t.notMatch(faults[0]?.message, bearerToken);
  });
}

t.test("no secret is printed with the configuration", async (t) => {
  const log = recordedLog();
  for (const user of [
    { token: bearerToken },
    { "client-certificate-data": certData, "client-key-data": keyData },
  ]) {
    const { config } = read(document({}, user));
    if (config === undefined) throw new Error("no configuration");
    deepFreeze(config);
    log.logger.info({ config }, "configuration");
    const printed = `${log.text()}${JSON.stringify(config)}${inspect(config, { depth: 9 })}`;
    t.notMatch(printed, bearerToken);
    t.notMatch(printed, "PRIVATE KEY");
    t.match(printed, "[redacted]");
  }
});
