// SPDX-License-Identifier: Apache-2.0
// Defines the kubelet's device plugin API v1beta1 as far as a plugin without topology or CDI needs it: messages, fields, methods.
// Numbers are those of k8s.io/kubelet, pkg/apis/deviceplugin/v1beta1/api.proto. Written by hand over pbf, because a loader of .proto
// files takes 3 MiB of memory on every node, and pbf none that can be measured.
import type { MethodDefinition } from "@grpc/grpc-js";
import { PbfReader, PbfWriter } from "pbf";

/** What the kubelet calls this version. */
const API_VERSION = "v1beta1";
/** The kubelet's own socket in the folder of the plugins. */
export const KUBELET_SOCKET = "kubelet.sock";
export const REGISTER_PATH = "/v1beta1.Registration/Register";

/** A message without fields, or one of whose fields none matters. */
export type Empty = Record<string, never>;
/** A resource, and the name of its socket in the folder. */
export type Registration = { resource: string; endpoint: string };
type Health = "Healthy" | "Unhealthy";
export type ListedDevice = { id: string; health: Health };
/** For each container the ids of the devices. */
export type DeviceIds = string[][];
/** For each container the paths of the device nodes that it gets, at the same paths. */
export type DeviceNodes = string[][];
/** For each container what may be chosen from, what must be chosen, and how many. */
export type Choice = { available: string[]; included: string[]; size: number };

type ReadField<T> = (tag: number, result: T, pbf: PbfReader) => void;

const read = <T>(bytes: Uint8Array, field: ReadField<T>, result: T): T =>
  new PbfReader(bytes).readFields(field, result);

const written = (write: (pbf: PbfWriter) => void): Buffer => {
  const pbf = new PbfWriter();
  write(pbf);
  return Buffer.from(pbf.finish());
};

/** Field 1 of each element, which is a message with strings in its field 1. */
const readDeviceIds = (bytes: Uint8Array): DeviceIds =>
  read<DeviceIds>(
    bytes,
    (tag, containers, pbf) => {
      if (tag !== 1) return;
      const one: string[] = [];
      pbf.readMessage((inner, ids: string[], part) => {
        if (inner === 1) ids.push(part.readString());
      }, one);
      containers.push(one);
    },
    [],
  );

const readChoices = (bytes: Uint8Array): Choice[] =>
  read<Choice[]>(
    bytes,
    (tag, containers, pbf) => {
      if (tag !== 1) return;
      const one: Choice = { available: [], included: [], size: 0 };
      pbf.readMessage((inner, choice: Choice, part) => {
        if (inner === 1) choice.available.push(part.readString());
        else if (inner === 2) choice.included.push(part.readString());
        else if (inner === 3) choice.size = part.readVarint(true);
      }, one);
      containers.push(one);
    },
    [],
  );

const readNothing = (): Empty => ({});
const writeNothing = (): Buffer => Buffer.alloc(0);

const writeDevices = (devices: readonly ListedDevice[]): Buffer =>
  written((pbf) => {
    for (const device of devices) {
      pbf.writeMessage(
        1,
        ({ id, health }, part) => {
          part.writeStringField(1, id);
          part.writeStringField(2, health);
        },
        device,
      );
    }
  });

/** Field 3 of a container's answer: its path in the container, on the host, and what the device cgroup allows. */
const writeNodes = (containers: DeviceNodes): Buffer =>
  written((pbf) => {
    const node = (path: string, part: PbfWriter): void => {
      part.writeStringField(1, path);
      part.writeStringField(2, path);
      part.writeStringField(3, "rw");
    };
    const container = (paths: string[], part: PbfWriter): void => {
      for (const path of paths) part.writeMessage(3, node, path);
    };
    for (const paths of containers) pbf.writeMessage(1, container, paths);
  });

const writeDeviceIds = (containers: DeviceIds): Buffer =>
  written((pbf) => {
    const container = (ids: string[], part: PbfWriter): void => {
      for (const id of ids) part.writeStringField(1, id);
    };
    for (const ids of containers) pbf.writeMessage(1, container, ids);
  });

/** The request of `REGISTER_PATH`. Its options are left out: neither call that they announce is needed. */
export const writeRegistration = ({ resource, endpoint }: Registration): Buffer =>
  written((pbf) => {
    pbf.writeStringField(1, API_VERSION);
    pbf.writeStringField(2, endpoint);
    pbf.writeStringField(3, resource);
  });
export const readRegistered = readNothing;

/** The kubelet's side of a call is not ours. */
const notServed = (): never => {
  throw new Error("a plugin only answers this call");
};

const method = <Request, Response>(
  name: string,
  requestDeserialize: (bytes: Buffer) => Request,
  responseSerialize: (response: Response) => Buffer,
): MethodDefinition<Request, Response> => ({
  path: `/v1beta1.DevicePlugin/${name}`,
  requestStream: false,
  responseStream: name === "ListAndWatch",
  requestDeserialize,
  responseSerialize,
  requestSerialize: notServed,
  responseDeserialize: notServed,
});

/** What a plugin serves. The options say that neither PreStartContainer nor GetPreferredAllocation need be called: all are false. */
export const DEVICE_PLUGIN = {
  GetDevicePluginOptions: method("GetDevicePluginOptions", readNothing, writeNothing),
  ListAndWatch: method("ListAndWatch", readNothing, writeDevices),
  GetPreferredAllocation: method("GetPreferredAllocation", readChoices, writeDeviceIds),
  Allocate: method("Allocate", readDeviceIds, writeNodes),
  PreStartContainer: method("PreStartContainer", readNothing, writeNothing),
};
