// SPDX-License-Identifier: Apache-2.0
// Sets up the agent over the in-memory store with token files, and sends requests as a writer, a reader or nobody.
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { Registry } from "prom-client";
import type { Test } from "tap";
import { keyedChecksums } from "../../hooks/checksum.ts";
import { createMemoryStore } from "../../scripts/local/memory-store.ts";
import { bearerTokenFiles, buildAgentApp } from "../../server/agent/app.ts";
import type { LogLevel } from "../../server/config/listener.ts";
import { checksumKeyOf } from "../../server/http/auth.ts";
import { recordedLog } from "../http/recorded-log.ts";

export type Ask = {
  method?: "GET" | "HEAD" | "PUT" | "PATCH" | "DELETE" | "POST";
  url: string;
  /** Sent as JSON. */
  body?: object;
  /** Sent as it is, with the content type of `headers`. */
  payload?: string;
  headers?: Record<string, string>;
  /** Default: writer. */
  as?: "writer" | "second writer" | "reader" | "nobody";
};

/** Base64 of text or bytes. */
export const b64 = (value: string | Uint8Array): string => Buffer.from(value).toString("base64");

type Options = {
  /** Whether there is a READ_TOKEN_FILE, and a WRITE_TOKEN_FILE. */
  reader?: boolean;
  writer?: boolean;
  level?: LogLevel;
};

/** An agent whose write token has the name `ci`; the second one has none. */
export const writableAgent = (t: Test, { reader = true, writer = true, level = "debug" }: Options = {}) => {
  const token = () => randomBytes(24).toString("base64url");
  const tokens = { writer: token(), "second writer": token(), reader: token() };
  const root = t.testdir({
    read: tokens.reader,
    write: `# writers\nci:${tokens.writer}\n${tokens["second writer"]}\n`,
    sys: {},
  });
  const pin = randomBytes(8).toString("hex");
  const store = createMemoryStore("token-a", { pin });
  const log = recordedLog(level);
  const app = buildAgentApp({
    store,
    logger: log.logger,
    registry: new Registry(),
    auth: {
      tokenFiles: bearerTokenFiles({
        ...(reader && { readTokenFile: join(root, "read") }),
        ...(writer && { writeTokenFile: join(root, "write") }),
      }),
      clientCertificates: false,
      loopback: true,
    },
    device: "hsm-a",
    node: "node-a",
    sysfsRoot: join(root, "sys"),
  });
  t.teardown(() => app.close());
  const ask = ({ method = "GET", url, body, payload, headers = {}, as = "writer" }: Ask) =>
    app.inject({
      method,
      url,
      headers: { ...(as !== "nobody" && { authorization: `Bearer ${tokens[as]}` }), ...headers },
      ...(body !== undefined && { payload: body }),
      ...(payload !== undefined && { payload }),
    });
  /** A checksum as the log shows it: under the key of the first token. */
  const shown = (plain: string) => keyedChecksums([checksumKeyOf(tokens.reader)], false).of(plain);
  const audits = () => log.lines.filter(({ msg }) => msg === "audit");
  /** All that the store holds. */
  const held = async () => {
    const list = await store.list("");
    const paths = list.kind === "listed" ? list.secrets.map(({ path }) => path) : [];
    return [
      list,
      ...(await Promise.all(paths.map((path) => store.read(path)))),
      await store.setPin(pin, pin),
    ];
  };
  return { app, store, log, ask, audits, held, shown, tokens, pin };
};
