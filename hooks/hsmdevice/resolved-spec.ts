// SPDX-License-Identifier: Apache-2.0
// Fills in the defaults of an HSMDevice's spec.
import type { HSMDevice, HSMDeviceSpec, UsbMatch } from "./schema.ts";

/** spec.mirroring with a policy that is not None. */
export interface ResolvedMirroring {
  readonly policy: "ReadOnly" | "Active";
  readonly syncInterval: number;
  readonly targetNodes?: readonly string[];
  readonly primaryNode?: string;
  readonly autoFailover: boolean;
  readonly acknowledge: "Primary" | "Mirror";
}

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
  /** Undefined: each device is a store of its own. */
  readonly mirroring?: ResolvedMirroring;
  readonly autoProvision: boolean;
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

const resolveMirroring = (mirroring: HSMDeviceSpec["mirroring"]): ResolvedMirroring | undefined => {
  const { policy = "None", targetNodes, primaryNode, ...rest } = mirroring ?? {};
  if (policy === "None") return undefined;
  return {
    policy,
    syncInterval: rest.syncInterval ?? 60,
    ...(targetNodes !== undefined && { targetNodes }),
    ...(primaryNode !== undefined && { primaryNode }),
    autoFailover: rest.autoFailover ?? true,
    acknowledge: rest.acknowledge ?? "Primary",
  };
};

/** `parent`'s spec with the defaults of the CRD. */
export const resolveSpec = ({ spec }: HSMDevice): ResolvedSpec => {
  const { usb = [], devicePath, autoDiscovery } = spec.discovery ?? {};
  const mirroring = resolveMirroring(spec.mirroring);
  const { libraryPath, slotId, tokenLabel, pinSecret, autoProvision } = spec.pkcs11;
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
    ...(mirroring !== undefined && { mirroring }),
    autoProvision: autoProvision ?? false,
    template: spec.template ?? {},
  };
};
