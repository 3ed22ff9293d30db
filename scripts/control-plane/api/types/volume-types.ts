// SPDX-License-Identifier: Apache-2.0
// The structs of a pod's volumes.
import type { Structs } from "./struct-schema.ts";

export const volumeTypes: Structs = {
  Volume: {
    fields: {
      name: "string!",
      hostPath: "&HostPathVolumeSource",
      emptyDir: "&EmptyDirVolumeSource",
      secret: "&SecretVolumeSource",
      configMap: "&ConfigMapVolumeSource",
      projected: "&ProjectedVolumeSource",
      downwardAPI: "&DownwardAPIVolumeSource",
      persistentVolumeClaim: "&PersistentVolumeClaimVolumeSource",
      csi: "&CSIVolumeSource",
      nfs: "&NFSVolumeSource",
      ephemeral: "&any",
      image: "&ImageVolumeSource",
      iscsi: "&any",
      fc: "&any",
      cephfs: "&any",
      rbd: "&any",
      cinder: "&any",
      azureDisk: "&any",
      azureFile: "&any",
      awsElasticBlockStore: "&any",
      gcePersistentDisk: "&any",
      glusterfs: "&any",
      flexVolume: "&any",
      vsphereVolume: "&any",
      portworxVolume: "&any",
    },
  },
  HostPathVolumeSource: { fields: { path: "string!", type: 'string = ""' } },
  EmptyDirVolumeSource: { fields: { medium: "string", sizeLimit: "quantity" } },
  KeyToPath: { fields: { key: "string!", path: "string!", mode: "int" } },
  SecretVolumeSource: {
    fields: { secretName: "string", items: "KeyToPath[]", defaultMode: "int = 420", optional: "bool" },
  },
  ConfigMapVolumeSource: {
    fields: { name: "string", items: "KeyToPath[]", defaultMode: "int = 420", optional: "bool" },
  },
  DownwardAPIVolumeFile: {
    fields: {
      path: "string!",
      fieldRef: "&ObjectFieldSelector",
      resourceFieldRef: "&ResourceFieldSelector",
      mode: "int",
    },
  },
  DownwardAPIVolumeSource: { fields: { items: "DownwardAPIVolumeFile[]", defaultMode: "int = 420" } },
  ProjectedVolumeSource: { fields: { sources: "VolumeProjection[]", defaultMode: "int = 420" } },
  VolumeProjection: {
    fields: {
      secret: "&SecretProjection",
      configMap: "&SecretProjection",
      downwardAPI: "&DownwardAPIProjection",
      serviceAccountToken: "&ServiceAccountTokenProjection",
      clusterTrustBundle: "&any",
    },
  },
  SecretProjection: { fields: { name: "string", items: "KeyToPath[]", optional: "bool" } },
  DownwardAPIProjection: { fields: { items: "DownwardAPIVolumeFile[]" } },
  ServiceAccountTokenProjection: {
    fields: { audience: "string", expirationSeconds: "int = 3600", path: "string!" },
  },
  PersistentVolumeClaimVolumeSource: { fields: { claimName: "string!", readOnly: "bool" } },
  CSIVolumeSource: {
    fields: {
      driver: "string!",
      readOnly: "bool",
      fsType: "string",
      volumeAttributes: "map<string>",
      nodePublishSecretRef: "&LocalObjectReference",
    },
  },
  NFSVolumeSource: { fields: { server: "string!", path: "string!", readOnly: "bool" } },
  ImageVolumeSource: { fields: { reference: "string", pullPolicy: "string" } },
};
