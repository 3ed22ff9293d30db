// SPDX-License-Identifier: Apache-2.0
// Fills in the defaults of an HSMDevice's spec.
import type { HSMDevice, HSMDeviceSpec, UsbMatch } from "./schema.ts";

/** The spec as the hooks work with it. */
export interface ResolvedSpec {
  readonly deviceType: HSMDeviceSpec["deviceType"];
  /** With ids in lower case, as discovery writes them. */
  readonly usb: readonly UsbMatch[];
  readonly devicePath?: { readonly path: RegExp; readonly permissions?: string };
  readonly autoDiscovery: boolean;
  readonly maxDevices: number;
  readonly library: string;
  readonly token: { readonly slot: number } | { readonly label: string };
  readonly pin: { readonly secret: string; readonly key: string };
  readonly template: NonNullable<HSMDeviceSpec["template"]>;
}

/** A glob of * and ? as a pattern; both stay within a segment. */
const patternOf = (glob: string): RegExp =>
  new RegExp(
    `^${glob
      .replace(/^\/dev\//, "")
      .replace(/\*+/g, "*")
      .replace(/[.+]/g, "\\$&")
      .replaceAll("*", "[^/]*")
      .replaceAll("?", "[^/]")}$`,
  );

/** `parent`'s spec with the defaults of the CRD. */
export const resolveSpec = ({ spec }: HSMDevice): ResolvedSpec => {
  const { usb = [], devicePath, autoDiscovery } = spec.discovery ?? {};
  const { libraryPath, slotId, tokenLabel, pinSecret } = spec.pkcs11;
  return {
    deviceType: spec.deviceType,
    usb: usb.map((match) => ({
      ...match,
      vendorId: match.vendorId.toLowerCase(),
      productId: match.productId.toLowerCase(),
    })),
    ...(devicePath !== undefined && {
      devicePath: {
        path: patternOf(devicePath.path),
        ...(devicePath.permissions !== undefined && { permissions: devicePath.permissions }),
      },
    }),
    autoDiscovery: autoDiscovery ?? (usb.length === 0 && devicePath === undefined),
    maxDevices: spec.maxDevices ?? 10,
    library: libraryPath ?? "/usr/lib/opensc-pkcs11.so",
    token: tokenLabel === undefined ? { slot: slotId ?? 0 } : { label: tokenLabel },
    pin: { secret: pinSecret.name, key: pinSecret.key ?? "pin" },
    template: spec.template ?? {},
  };
};
