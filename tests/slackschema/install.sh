#!/usr/bin/env bash
# Puts Slack's own JSON schema of app manifests into .build/slackschema; a second call is instant. It is not kept here:
# in github.com/slackapi/manifest-schema we found no licence to pass it on under. The commit says which one it is.
set -euo pipefail
root="$(cd "$(dirname "$0")/../.." && pwd)"
place="$root/.build/slackschema"
commit=085a10465ae92ca3215ab53c6bfab7768941fd50
name=manifest.schema.2.0.0.json

if [ -s "$place/$commit.json" ]; then exit 0; fi
mkdir -p "$place"
curl --fail --silent --show-error --location --max-time 20 --output "$place/$commit.part" \
  "https://raw.githubusercontent.com/slackapi/manifest-schema/$commit/schemas/$name" </dev/null
mv "$place/$commit.part" "$place/$commit.json"
