// SPDX-License-Identifier: Apache-2.0
// Tests the parser of libccid's Info.plist, with missing and broken files.
import { join } from "node:path";
import t from "tap";
import { parseReaderList, readReaderList } from "../../server/discovery/reader-list.ts";

const strings = (values: string[]) =>
  `<array>\n${values.map((one) => `\t\t<string>${one}</string>\n`).join("")}\t</array>`;
const plist = (
  vendors: string[],
  products: string[],
  names: string[],
) => `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
\t<key>CFBundleName</key>
\t<string>CCIDCLASSDRIVER</string>
\t<!-- Possible values for ifdCapabilities bits: <array> -->
\t<key>ifdVendorID</key>
\t${strings(vendors)}

\t<key>ifdProductID</key>
\t${strings(products)}

\t<key>ifdFriendlyName</key>
\t${strings(names)}
</dict>
</plist>
`;

t.test("ids as sysfs has them, and names", async (t) => {
  const list = parseReaderList(
    plist(["0x08E6", "0x76B"], ["0x3437", "0xA"], ["Gemalto PC Twin", "Reader A &amp; B"]),
  );
  t.same(
    [...(list ?? [])],
    [
      ["08e6:3437", "Gemalto PC Twin"],
      ["076b:000a", "Reader A & B"],
    ],
  );
});

t.test("an entry whose ids are none is left out", async (t) => {
  const list = parseReaderList(
    plist(["0x08E6", "VENDOR", "0x12345"], ["0x3437", "0x1", "0x1"], ["A", "B", "C"]),
  );
  t.same([...(list ?? [])], [["08e6:3437", "A"]]);
});

const whole = plist(["0x08E6", "0x076B"], ["0x3437", "0x3031"], ["A", "B"]);
for (const [sentence, text] of [
  ["an empty file", ""],
  ["no XML", "\u0000\u0001{]"],
  ["other XML", "<html><body><array><string>0x1</string></array></body></html>"],
  ["a list that is cut", whole.slice(0, whole.indexOf("0x3031"))],
  ["lists of several lengths", plist(["0x1", "0x2"], ["0x1"], ["A", "B"])],
  ["empty lists", plist([], [], [])],
] as const) {
  t.test(`${sentence} is no list`, async (t) => t.equal(parseReaderList(text), undefined));
}

t.test(
  "the first file that is there is read; a missing or broken one is a warning, not an end",
  async (t) => {
    const folder = t.testdir({ good: whole, broken: "<plist>" });
    const [good, broken, none] = [join(folder, "good"), join(folder, "broken"), join(folder, "none")];
    const found = await readReaderList([none, good]);
    t.equal(found.readers.size, 2);
    t.equal(found.warning, undefined);
    t.match(await readReaderList([none, none]), {
      readers: new Map(),
      warning: /none of .* can be read \(CCID_READER_LIST\)/,
    });
    t.match(await readReaderList([broken, good]), {
      readers: new Map(),
      warning: /broken has no ifdVendorID, /,
    });
  },
);
