// SPDX-License-Identifier: Apache-2.0
// Tests a child's process that is started before there is somebody who listens to it.
import t from "tap";
import { eventually } from "../../../../scripts/local/eventually.ts";
import { StartedProcess } from "../../../../server/agent/pkcs11/parent/child-process.ts";

const env = { ...process.env, NODE_OPTIONS: "" };

const isThere = (pid: number | undefined): boolean => {
  try {
    return pid !== undefined && process.kill(pid, 0);
  } catch {
    return false;
  }
};

t.test("whoever listens late hears all, in order", async (t) => {
  const started = new StartedProcess(env);
  // No message of the protocol: the child says that it has booted, and ends.
  started.send({ type: "nonsense" });
  await eventually("the process has ended", async () => !isThere(started.pid), { seconds: 20 });
  const heard: unknown[] = [];
  started.listen({
    message: (message) => heard.push(message),
    notStarted: () => heard.push("not started"),
    exited: (code, signal) => heard.push([code, signal]),
  });
  t.same(heard, [{ type: "progress", stage: "boot" }, [70, null]]);
  started.send({ type: "login" });
  started.kill();
});

t.test("one that nobody wants ends when it is killed", async (t) => {
  const started = new StartedProcess(env);
  const ended = new Promise((exited) => {
    started.listen({
      message: () => undefined,
      notStarted: () => undefined,
      exited: (_, signal) => exited(signal),
    });
  });
  started.kill();
  t.equal(await ended, "SIGKILL");
});
