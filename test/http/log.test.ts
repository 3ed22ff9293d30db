// SPDX-License-Identifier: Apache-2.0
// Tests that log lines hold no credentials and no text that an error quotes from its input.
import t from "tap";
import { recordedLog } from "./recorded-log.ts";

t.test("what a line says", async (t) => {
  const { logger, lines } = recordedLog();
  logger.info({ a: 1 }, "hello");
  t.match(lines[0], { level: "info", role: "test", msg: "hello", a: 1, time: /^\d{4}-\d\d-\d\dT.*Z$/ });
});

t.test("credentials are taken out", async (t) => {
  const { logger, text } = recordedLog();
  const headers = { authorization: "Bearer canary" };
  logger.info(
    { headers, req: { headers }, authorization: "Bearer canary", inner: { authorization: "canary" } },
    "x",
  );
  t.notMatch(text(), /canary/);
});

t.test("an error is logged by name, code and message, without what hangs on it", async (t) => {
  const { logger, lines, text } = recordedLog();
  logger.error({ err: Object.assign(new Error("seen"), { code: "E_SEEN", body: "canary" }) }, "x");
  t.match(lines[0]?.err, { type: "Error", code: "E_SEEN", message: "seen", stack: /^ {4}at / });
  try {
    JSON.parse("canary");
  } catch (error) {
    logger.error({ err: error }, "x");
  }
  t.match(lines[1]?.err, { type: "SyntaxError" });
  t.notMatch(text(), /canary/);
});
