#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A stand-in for kubectl that keeps one file for each Secret in $FAKE_CLUSTER, in place of an API server.
set -eu
store() {
  name=
  while IFS= read -r line; do
    case $line in
      ---) name= ;;
      "  name: "*) name=${line#  name: }; : >"$FAKE_CLUSTER/$name" ;;
      *": "*) [ -z "$name" ] || printf '%s\n' "${line#  }" >>"$FAKE_CLUSTER/$name" ;;
    esac
  done
}
# value SECRET JSONPATH: {.data.tls\.crt} stands for the key tls.crt.
value() {
  key=${2#jsonpath=\{.data.}
  key=$(printf '%s' "${key%\}}" | tr -d '\\')
  [ ! -e "$FAKE_CLUSTER/$1" ] || sed -n "s/^$key: //p" "$FAKE_CLUSTER/$1" | tr -d '\n'
}
case "$*" in
  "-n keyswitch get secret "*" --ignore-not-found -o name") [ ! -e "$FAKE_CLUSTER/$5" ] || echo "secret/$5" ;;
  "-n keyswitch get secret "*" --ignore-not-found -o jsonpath={.data."*"}") value "$5" "$8" ;;
  "-n keyswitch get secret "*" -o jsonpath={.data."*"}") value "$5" "$7" ;;
  "create -f -") store; echo created >>"$FAKE_CLUSTER/.log" ;;
  "apply --server-side --force-conflicts --field-manager=keyswitch-credentials -f -") store; echo applied >>"$FAKE_CLUSTER/.log" ;;
  "apply --server-side --force-conflicts --field-manager=keyswitch-write -f -")
    # Keys that are not in what is applied stay.
    before=$(sed '/^write: /d' "$FAKE_CLUSTER/keyswitch-agent-token")
    store
    printf '%s\n' "$before" >>"$FAKE_CLUSTER/keyswitch-agent-token"
    echo applied >>"$FAKE_CLUSTER/.log" ;;
  "get --raw /apis") echo '{"kind":"APIGroupList","groups":[{"name":"apps"},{"name":"metacontroller.k8s.io"}]}' ;;
  "get compositecontroller hsmsecret --ignore-not-found -o jsonpath={.kind} {.spec.hooks.sync.webhook.path}")
    echo "CompositeController $(cat "$FAKE_CLUSTER/.path" 2>/dev/null)" ;;
  "get compositecontroller toggle "* | "get compositecontroller hsmdevice "*) ;;
  "patch compositecontroller hsmsecret --type=merge --field-manager=keyswitch-credentials -p "*)
    printf '%s' "$7" | sed 's/.*"path":"\([^"]*\)".*/\1/' >"$FAKE_CLUSTER/.path"
    echo "reread $(cat "$FAKE_CLUSTER/.path")" >>"$FAKE_CLUSTER/.log" ;;
  *) echo "fake-kubectl: unexpected: $*" >&2; exit 1 ;;
esac
