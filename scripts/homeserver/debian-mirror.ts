// SPDX-License-Identifier: Apache-2.0
// Reads a Debian machine's apt configuration for its mirror, proxy and fetch settings.

/** What is read of the machine; each is the text of files, or of a command's output. */
export type AptConfiguration = {
  /** /etc/os-release */
  readonly osRelease: string;
  /** The texts of sources.list and of the .list files beside it: sources.list(5), one-line style. */
  readonly lists: readonly string[];
  /** The texts of the .sources files: sources.list(5), deb822 style. */
  readonly sources: readonly string[];
  /** The output of `apt-config dump`. */
  readonly dump: string;
};

const REACHABLE = /^(https?|file):\/\S+$/;

/**
 * The mirror that this machine's own release comes from, or undefined where that can't be told: the machine is not
 * Debian's, or it names its mirror in another way.
 */
export const debianMirror = ({ osRelease, lists, sources }: AptConfiguration): string | undefined => {
  const field = (name: string) => osRelease.match(new RegExp(`^${name}="?([^"\n]*)"?$`, "m"))?.[1];
  if (field("ID") !== "debian") return undefined;
  const suites = new Set(["stable", "testing", "unstable", "sid", field("VERSION_CODENAME") ?? "sid"]);
  const entries = [...sources.flatMap(deb822Entries), ...lists.flatMap(oneLineEntries)];
  return entries.find(
    (entry) =>
      REACHABLE.test(entry.uri) &&
      entry.suites.some((suite) => suites.has(suite)) &&
      entry.components.includes("main"),
  )?.uri;
};

/** The settings of apt that say how packages are fetched (proxies, certificates, retries), as lines of an apt.conf(5). */
export const fetchSettings = ({ dump }: AptConfiguration): string =>
  dump
    .split("\n")
    .filter((line) => /^Acquire::(https?|ForceIPv[46]|Retries|Check-Date)\b/.test(line))
    .join("\n");

/** The proxy that apt uses for `scheme`, or undefined. */
export const aptProxy = ({ dump }: AptConfiguration, scheme: "http" | "https"): string | undefined => {
  const value = dump.match(new RegExp(`^Acquire::${scheme}::Proxy "(.+)";$`, "m"))?.[1];
  return value === "DIRECT" ? undefined : value;
};

type Entry = { readonly uri: string; readonly suites: string[]; readonly components: string[] };

const words = (text: string | undefined): string[] => (text ?? "").split(/\s+/).filter(Boolean);

const oneLineEntries = (text: string): Entry[] =>
  text.split("\n").flatMap((line) => {
    const match = line.match(/^\s*deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)([^#]*)/);
    if (match === null) return [];
    const [, uri = "", suite = "", components] = match;
    return [{ uri, suites: [suite], components: words(components) }];
  });

const deb822Entries = (text: string): Entry[] =>
  text
    .replace(/^#.*\n?/gm, "")
    .split(/\n\s*\n/)
    .flatMap((stanza) => {
      // A line that starts with a space continues the field before it.
      const unfolded = stanza.replace(/\n[ \t]+/g, " ");
      const field = (name: string) => words(unfolded.match(new RegExp(`^${name}:(.*)$`, "im"))?.[1]);
      if (!field("Types").includes("deb") || field("Enabled")[0]?.toLowerCase() === "no") return [];
      return field("URIs").map((uri) => ({
        uri,
        suites: field("Suites"),
        components: field("Components"),
      }));
    });
