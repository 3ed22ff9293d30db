// SPDX-License-Identifier: Apache-2.0
// Creates a certificate authority and certificates with openssl, for tests of TLS.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export type Issued = { certFile: string; keyFile: string; cert: Buffer; key: Buffer };

const openssl = (...args: string[]): void => {
  execFileSync("openssl", args, { stdio: "pipe" });
};

/** A new authority whose files are in `directory`; `name` keeps several apart. */
export const createAuthority = (directory: string, name = "ca") => {
  const caFile = join(directory, `${name}.pem`);
  const caKeyFile = join(directory, `${name}-key.pem`);
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  openssl(
    "req",
    "-x509",
    ...newKey,
    "-keyout",
    caKeyFile,
    "-out",
    caFile,
    "-subj",
    `/CN=${name}`,
    "-days",
    "2",
  );
  return {
    caFile,
    ca: readFileSync(caFile),
    /** A certificate for loopback, usable by servers and clients. */
    issue(subject: string): Issued {
      const [certFile, keyFile] = [join(directory, `${subject}.pem`), join(directory, `${subject}-key.pem`)];
      const [request, extensions] = [join(directory, `${subject}.csr`), join(directory, `${subject}.ext`)];
      writeFileSync(extensions, "subjectAltName=IP:127.0.0.1,DNS:localhost\n");
      openssl("req", "-new", ...newKey, "-keyout", keyFile, "-out", request, "-subj", `/CN=${subject}`);
      const signing = [
        "-CA",
        caFile,
        "-CAkey",
        caKeyFile,
        "-CAcreateserial",
        "-days",
        "2",
        "-extfile",
        extensions,
      ];
      openssl("x509", "-req", "-in", request, ...signing, "-out", certFile);
      return { certFile, keyFile, cert: readFileSync(certFile), key: readFileSync(keyFile) };
    },
  };
};
