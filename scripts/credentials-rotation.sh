# SPDX-License-Identifier: Apache-2.0
# The part of credentials.sh that replaces credentials in use, in an order in which nobody is refused.
# shellcheck shell=bash
#
# Each connection has two sides, which see a changed Secret at different times: a pod after a minute or two,
# Metacontroller when it starts a controller. So a rotation has three steps, and between them each pod has to catch up:
#   add   both old and new are accepted, the old ones are sent and shown
#   use   both are accepted, the new ones are sent and shown
#   drop  only the new ones are accepted

# What a step needs of Metacontroller was written by the step before: it reads Secrets from a cache that may lag behind,
# and reads them once.
SETTLE=10

# secret_value SECRET KEY: decoded; empty where there is no such Secret or key.
secret_value() {
  kubectl -n "$namespace" get secret "$1" --ignore-not-found -o "jsonpath={.data.${2//./\\.}}" | openssl base64 -d -A
}

# Metacontroller reads the CA and the token of a hook when it starts a controller, and starts one anew when its spec
# differs. Beside a url, the path of a webhook has no other meaning:
# https://metacontroller.github.io/metacontroller/api/hook.html#webhook
# The manifests leave it out, so that applying them again neither conflicts with it nor takes it away.
reread_credentials() {
  local controller found number
  kubectl get --raw /apis >"$work/groups"
  grep -q '"metacontroller\.k8s\.io"' "$work/groups" || return 0
  for controller in hsmsecret toggle hsmdevice; do
    found=$(kubectl get compositecontroller "$controller" --ignore-not-found -o 'jsonpath={.kind} {.spec.hooks.sync.webhook.path}')
    [ -n "$found" ] || continue
    number=${found#* credentials-}
    case $number in "" | *[!0-9]*) number=0 ;; esac
    kubectl patch compositecontroller "$controller" --type=merge --field-manager=keyswitch-credentials \
      -p "{\"spec\":{\"hooks\":{\"sync\":{\"webhook\":{\"path\":\"credentials-$((10#$number + 1))\"}}}}}"
  done
}

# ---- tokens ----

# The servers accept each line of a token file; the webhook sends an agent the first. Who has no HSMDevices has no token for roles. A line name:token is somebody's own
# token, and stays.
rotate_tokens() {
  local entry secret key file old new
  for entry in keyswitch-hook-token/accepted/hook-tokens keyswitch-agent-token/read/agent-read-token keyswitch-agent-token/write/agent-write-token \
    keyswitch-role-token/role/role-token; do
    IFS=/ read -r secret key file <<<"$entry"
    secret_value "$secret" "$key" >"$work/$file.now"
    # A Secret that somebody made by hand may have one key for both.
    [ "$key" != accepted ] || [ -s "$work/$file.now" ] || secret_value "$secret" token >"$work/$file.now"
    sed -n '/:/p' "$work/$file.now" >"$work/$file.named"
    sed '/:/d' "$work/$file.now" >"$work/$file.plain"
    old=$(sed -n 1p "$work/$file.plain") new=$(sed -n 2p "$work/$file.plain")
    if [ -z "$old" ]; then
      [ "$key" = write ] || [ "$key" = role ] || fail "the Secret $secret has no token in $key"
      [ ! -s "$work/$file.named" ] || cp "$work/$file.now" "$work/$file"
      continue
    fi
    case $1 in
      add)
        [ -z "$new" ] || fail "$secret/$key already holds two tokens: go on with --rotate-tokens use, or take the new one back with --rotate-tokens drop"
        make_token "$file.new"
        printf '%s\n%s' "$old" "$(cat "$work/$file.new")" >"$work/$file" ;;
      use)
        [ -n "$new" ] || fail "$secret/$key holds one token: begin with --rotate-tokens add"
        printf '%s\n%s' "$new" "$old" >"$work/$file" ;;
      drop) printf '%s' "$old" >"$work/$file" ;;
    esac
    [ "$key" != accepted ] || sed -n 1p "$work/$file" | tr -d '\n' >"$work/hook-token"
    [ ! -s "$work/$file.named" ] || { echo; cat "$work/$file.named"; } >>"$work/$file"
  done
  {
    print_tokens
    [ ! -e "$work/role-token" ] || print_part role
  } | replace_secrets
}

# ---- certificates ----

# What the Secrets hold now, as old.SERVICE.crt and .key, and both CAs as SERVICE.both.crt.
read_tls() {
  local service
  for service in webhook agent; do
    secret_value "keyswitch-$service-tls" tls.crt >"$work/old.$service.crt"
    secret_value "keyswitch-$service-tls" tls.key >"$work/old.$service.key"
    secret_value "keyswitch-$service-tls" ca.crt >"$work/old.$service.ca"
    printf '%s\n%s\n' "$(cat "$work/old.$service.ca")" "$(cat "$work/ca.crt")" >"$work/$service.both.crt"
  done
}

# Whether everybody trusts the CA of the new certificates already, as with --keep-ca.
is_trusted_already() {
  local service
  for service in webhook agent; do
    [ "$(cat "$work/old.$service.ca")" = "$(cat "$work/ca.crt")" ] || return 1
  done
}

# ---- all of it ----

goes_stepwise() { case " $stepwise " in *" $1 "*) true ;; *) false ;; esac; }

# The parts whose Secrets are there, and so may be in use.
choose_stepwise() {
  local part name found
  for part in tls tokens; do
    wants "$part" || continue
    for name in $(secrets_of "$part"); do
      found=$(kubectl -n "$namespace" get secret "$name" --ignore-not-found -o name)
      [ -n "$found" ] || continue 2
    done
    stepwise+=" $part"
  done
}

rotation_step() {
  case $1 in
    # Both CAs, before a pod shows the new certificate; the new token, before a pod refuses the old one.
    use) ! goes_stepwise tls || { reread_credentials; sleep "$SETTLE"; } ;;
    drop) ! goes_stepwise tokens || { reread_credentials; sleep "$SETTLE"; } ;;
  esac
  ! goes_stepwise tokens || rotate_tokens "$1"
  ! goes_stepwise tls || print_tls "$1" | replace_secrets
  case $1 in
    use) ! goes_stepwise tokens || { sleep "$SETTLE"; reread_credentials; } ;;
    drop) ! goes_stepwise tls || { sleep "$SETTLE"; reread_credentials; } ;;
  esac
}

say_next() {
  case $1 in
    add) echo "Both tokens are accepted once each pod has seen the change: wait two minutes, then --rotate-tokens use." >&2 ;;
    use) echo "The new tokens are in use within a minute or two: wait two minutes, then --rotate-tokens drop." >&2 ;;
    drop) echo "Only the new tokens are accepted, once each pod has seen the change." >&2 ;;
  esac
}

# What is not in use, or has one side alone, is replaced at once. So are certificates under a CA that is trusted already.
replace_the_others() {
  local part missing=false
  for part in tls tokens pin bot discovery; do
    if ! wants "$part" || goes_stepwise "$part"; then continue; fi
    print_part "$part" | replace_secrets
    case $part in
      tls) $same_ca || missing=true ;;
      tokens) missing=true ;;
    esac
  done
  # Metacontroller may still have what a Secret held that is gone.
  ! $missing || { sleep "$SETTLE"; reread_credentials; }
}

rotate_all() {
  local step same_ca=false
  if goes_stepwise tls; then
    read_tls
    ! is_trusted_already || { same_ca=true; stepwise=${stepwise/ tls/}; }
  fi
  replace_the_others
  [ -n "$stepwise" ] || return 0
  for step in add use drop; do
    rotation_step "$step"
    [ "$step" != drop ] || continue
    echo "Step $step is done. Waiting $pods_see s, until each pod has seen it." >&2
    sleep "$pods_see"
  done
  echo "Only the new ones are accepted, once each pod has seen the change." >&2
}
