// SPDX-License-Identifier: Apache-2.0
// Tests the parsing of a machine's apt configuration, with tables whose rows are configurations.
import t from "tap";
import {
  type AptConfiguration,
  aptProxy,
  debianMirror,
  fetchSettings,
} from "../../scripts/homeserver/debian-mirror.ts";

const machine: AptConfiguration = {
  osRelease: 'NAME="Debian GNU/Linux"\nVERSION_CODENAME=bookworm\nID=debian\n',
  lists: [],
  sources: [],
  dump: "",
};
const stanza = (uris: string, suites: string, more = "") =>
  `Types: deb\nURIs: ${uris}\nSuites: ${suites}\nComponents: main contrib\n${more}`;

const mirrors: [sentence: string, of: Partial<AptConfiguration>, mirror: string | undefined][] = [
  [
    "a stanza of the release",
    { sources: [stanza("http://m.test/d", "bookworm bookworm-updates")] },
    "http://m.test/d",
  ],
  [
    "another vendor's stanza before it",
    { sources: [`${stanza("http://other.test", "nodistro")}\n${stanza("http://m.test/d", "bookworm")}`] },
    "http://m.test/d",
  ],
  ["the security archive alone", { sources: [stanza("http://s.test", "bookworm-security")] }, undefined],
  [
    "comments and continued lines",
    {
      sources: [
        "# first\nTypes: deb deb-src\n# URIs: http://no.test\nURIs:\n http://m.test/d\nSuites: stable\nComponents: main\n",
      ],
    },
    "http://m.test/d",
  ],
  [
    "a stanza that is switched off",
    { sources: [stanza("http://m.test", "bookworm", "Enabled: no\n")] },
    undefined,
  ],
  [
    "a line with options",
    { lists: ["deb [arch=amd64 signed-by=/k] https://m.test/d sid main # mine\n"] },
    "https://m.test/d",
  ],
  ["a line that is commented out", { lists: ["# deb http://m.test/d bookworm main\n"] }, undefined],
  ["sources of programs alone", { lists: ["deb-src http://m.test/d bookworm main\n"] }, undefined],
  ["a disc", { lists: ["deb cdrom:[Debian] bookworm main\n"] }, undefined],
  [
    "a derivative, whose mirror has no sid",
    {
      osRelease: "ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=noble\n",
      lists: ["deb http://m.test noble main\n"],
    },
    undefined,
  ],
];

for (const [sentence, of, mirror] of mirrors) {
  t.test(`mirror: ${sentence}`, async (t) => t.equal(debianMirror({ ...machine, ...of }), mirror));
}

t.test("takes over how packages are fetched, and nothing else", async (t) => {
  const dump = [
    'APT::Architecture "amd64";',
    'Acquire::http::Proxy "http://proxy.test:3128";',
    'Acquire::https::Proxy "DIRECT";',
    'Acquire::IndexTargets::deb::DEP-11 "";',
    'Acquire::Retries "3";',
    'DPkg::Post-Invoke:: "true";',
  ].join("\n");
  const configuration = { ...machine, dump };
  t.equal(
    fetchSettings(configuration),
    'Acquire::http::Proxy "http://proxy.test:3128";\nAcquire::https::Proxy "DIRECT";\nAcquire::Retries "3";',
  );
  t.equal(aptProxy(configuration, "http"), "http://proxy.test:3128");
  t.equal(aptProxy(configuration, "https"), undefined);
});
