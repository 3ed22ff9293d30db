# SPDX-License-Identifier: Apache-2.0
# One image for webhook, agent, bot and conntest; the same image's pcscd serves the reader beside an agent.
# docker build -t keyswitch:0.1.0 .
# For several architectures: docker buildx build --platform linux/amd64,linux/arm64 -t registry.example.com/keyswitch:0.1.0 --push .

FROM node:24-bookworm AS build
WORKDIR /app
# Headers of the image's own Node: node-gyp needs no download.
ENV npm_config_nodedir=/usr/local npm_config_update_notifier=false npm_config_fund=false npm_config_audit=false
COPY package.json package-lock.json .npmrc ./
# Install scripts are off (.npmrc). The one native add-on that webhook and agent need is compiled here.
RUN npm ci && npm rebuild --ignore-scripts=false pkcs11js
# The bot encrypts with WebAssembly, which is in its package. NATIVE_CRYPTO=true adds the native library: its package's install
# script downloads it from GitHub, or from MATRIX_SDK_CRYPTO_DOWNLOADS_BASE_URL where the build is behind a mirror.
ARG NATIVE_CRYPTO=false MATRIX_SDK_CRYPTO_DOWNLOADS_BASE_URL=
RUN if [ "$NATIVE_CRYPTO" = true ]; then npm rebuild --ignore-scripts=false @matrix-org/matrix-sdk-crypto-nodejs; fi
COPY hooks hooks
COPY server server
COPY scripts/build.ts scripts/
COPY scripts/bundle scripts/bundle
# dist/ is all that runs: bundles, and of the packages that can't be bundled the files that are read.
RUN node scripts/build.ts

FROM node:24-bookworm-slim
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="keyswitch" \
      org.opencontainers.image.description="Metacontroller hooks that turn PKCS#11 tokens into Kubernetes Secrets and chat commands into Deployment replicas" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
# A path for OpenSC's module that is the same on every architecture; and the USB id of a Pico HSM's current firmware, which
# this release of the CCID driver does not know.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libccid libpcsclite1 opensc opensc-pkcs11 pcscd tini \
    && rm -rf /var/lib/apt/lists/* \
    && ln -s "$(dpkg -L opensc-pkcs11 | grep -E '^/usr/lib/[^/]+/opensc-pkcs11\.so$')" /usr/lib/opensc-pkcs11.so \
    && sed -i -e '/<key>ifdVendorID</,/<array>/s|<array>|&<string>0x2E8A</string>|' -e '/<key>ifdProductID</,/<array>/s|<array>|&<string>0x10FD</string>|' -e '/<key>ifdFriendlyName</,/<array>/s|<array>|&<string>Pico HSM</string>|' /etc/libccid_Info.plist \
    && groupadd --gid 1200 keyswitch \
    && useradd --uid 1200 --gid 1200 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin keyswitch
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/dist dist
# For the agents of HSMDevices; manifests/agent mounts it from a ConfigMap.
COPY manifests/agent/pcscd.sh ./
# matrix-bot-sdk loads a package that Node warns about, in plain text between the lines of the log.
# SIGUSR1 would open a debugger, from the first moment on.
# Little room for new objects, one arena for all threads and no freed memory kept for later: docs/performance.md has what it is worth.
ENV NODE_ENV=production \
    NODE_OPTIONS="--disable-warning=DEP0060 --disable-sigusr1 --max-semi-space-size=1" \
    MALLOC_ARENA_MAX=1 MALLOC_TRIM_THRESHOLD_=131072
USER 1200:1200
# A core dump of any of these processes would hold values. V8's options are those that NODE_OPTIONS does not take: its middle
# compiler alone keeps 20 to 35 MiB, the old generation would first be collected at some 100 MiB, and four threads would be woken for
# each collection of a young one that is so small.
ENTRYPOINT ["/usr/bin/tini", "--", "/bin/sh", "-c", "ulimit -c 0 && exec node --no-maglev --no-parallel-scavenge --optimize-for-size --initial-old-space-size=24 dist/server/main.js \"$@\"", "keyswitch"]
