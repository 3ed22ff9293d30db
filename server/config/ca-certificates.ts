// SPDX-License-Identifier: Apache-2.0
// Checks that a file of CA certificates is whole: OpenSSL accepts an empty or broken one, and then trusts nobody, or fewer.
import { X509Certificate } from "node:crypto";

const BEGIN = "-----BEGIN CERTIFICATE-----";
const CERTIFICATE = new RegExp(`${BEGIN}[^-]*-----END CERTIFICATE-----`, "g");

/** Whether `pem` holds certificates, all of them whole. */
export const holdsCertificates = (pem: Buffer): boolean => {
  const text = pem.toString("latin1");
  const whole = text.match(CERTIFICATE) ?? [];
  if (whole.length === 0 || whole.length !== text.split(BEGIN).length - 1) return false;
  try {
    for (const certificate of whole) new X509Certificate(certificate);
    return true;
  } catch {
    return false;
  }
};
