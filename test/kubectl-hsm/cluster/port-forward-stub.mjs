// SPDX-License-Identifier: Apache-2.0
// `kubectl port-forward` to a process of the test: the local control plane has no kubelet that could serve the real one.
// It takes the same arguments, prints the same line, and runs until it is ended.
import { writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";

const { STUB_TARGETS = "{}", STUB_PID_FILE = "/dev/null" } = process.env;
const pod = process.argv.find((word) => word.startsWith("pod/"));
const port = process.argv.find((word) => /^:\d+$/.test(word));
const target = JSON.parse(STUB_TARGETS)[pod];
writeFileSync(STUB_PID_FILE, String(process.pid));
if (!process.argv.includes("--address=127.0.0.1") || port === undefined || target === undefined) {
  process.stderr.write(`error: unable to forward port: ${pod} is not there\n`);
  process.exit(1);
}
// Whoever was killed could not end it.
const { ppid } = process;
setInterval(() => process.ppid === ppid || process.exit(), 200).unref();
const server = createServer((near) => {
  const far = connect(target, "127.0.0.1");
  near.on("error", () => far.destroy());
  far.on("error", () => near.destroy());
  near.pipe(far).pipe(near);
});
server.listen(0, "127.0.0.1", () => {
  process.stdout.write(`Forwarding from 127.0.0.1:${server.address().port} -> ${port.slice(1)}\n`);
});
