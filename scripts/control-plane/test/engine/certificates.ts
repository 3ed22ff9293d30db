// SPDX-License-Identifier: Apache-2.0
// Creates a CA and certificates from it, with openssl, for tests of TLS.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

type Certificate = { key: string; cert: string };
export type Authority = { cert: string; issue: (options: { dnsName: string }) => Certificate };

const openssl = (dir: string, ...args: string[]) =>
  execFileSync("openssl", args, { cwd: dir, stdio: "pipe" });
const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

/** A CA whose files lie in `dir`. */
export const makeAuthority = (dir: string): Authority => {
  const read = (name: string) => readFileSync(join(dir, name), "utf8");
  openssl(
    dir,
    "req",
    "-x509",
    ...curve,
    "-keyout",
    "ca.key",
    "-out",
    "ca.crt",
    "-subj",
    "/CN=test-ca",
    "-days",
    "2",
  );
  let count = 0;
  return {
    cert: read("ca.crt"),
    issue: ({ dnsName }) => {
      count += 1;
      const name = `leaf-${count}`;
      writeFileSync(join(dir, `${name}.ext`), `subjectAltName=DNS:${dnsName}\n`);
      openssl(
        dir,
        "req",
        "-new",
        ...curve,
        "-keyout",
        `${name}.key`,
        "-out",
        `${name}.csr`,
        "-subj",
        `/CN=${name}`,
      );
      const from = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial"];
      const to = ["-out", `${name}.crt`, "-days", "2", "-extfile", `${name}.ext`];
      openssl(dir, "x509", "-req", "-in", `${name}.csr`, ...from, ...to);
      return { key: read(`${name}.key`), cert: read(`${name}.crt`) };
    },
  };
};
