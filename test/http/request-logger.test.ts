// SPDX-License-Identifier: Apache-2.0
// Tests that a request's logger says what a child of its parent would, and is made only where there is something to say.
import t from "tap";
import { requestLoggers } from "../../server/http/request-logger.ts";
import { recordedLog } from "./recorded-log.ts";

t.test("lines carry the bindings, of the levels that the parent has", async (t) => {
  const { logger, lines } = recordedLog("info");
  let children = 0;
  const { child } = logger;
  logger.child = ((...args: Parameters<typeof child>) => {
    children += 1;
    return child.apply(logger, args);
  }) as typeof child;
  const request = requestLoggers(logger)(logger, { requestId: "r1" }, {});
  request.debug({ a: 1 }, "quiet");
  request.trace("quiet");
  t.equal(children, 0, "nothing is made for what is not said");
  request.info({ a: 1 }, "said");
  request.warn("said too");
  request.error({ err: new Error("seen") }, "failed");
  request.debug("quiet");
  t.equal(children, 1);
  t.match(lines, [
    { level: "info", requestId: "r1", a: 1, msg: "said" },
    { level: "warn", requestId: "r1", msg: "said too" },
    { level: "error", requestId: "r1", msg: "failed", err: { message: "seen" } },
  ]);
  t.equal(lines.length, 3);
});

t.test("its own children and its own level", async (t) => {
  const { logger, lines } = recordedLog("info");
  const request = requestLoggers(logger)(logger, { requestId: "r2" }, {});
  request.child({ part: "x" }).info("of a child");
  t.match(lines[0], { requestId: "r2", part: "x" });
  t.equal(request.level, "info");
  request.level = "debug";
  request.debug("said now");
  t.match(lines[1], { level: "debug", requestId: "r2", msg: "said now" });
  t.equal(logger.level, "info", "the parent's is as it was");
});
