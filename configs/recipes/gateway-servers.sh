#!/bin/bash
# Prints `--servers ADDRESS` for every healthy HTTP worker of an SGLang model gateway, one word a line:
#   mapfile -t servers < <(GATEWAY=http://gateway:30000 ./gateway-servers.sh)
#   draftsmith regenerate --in dialogues=DIR --out DIR "${servers[@]}"
# Workers are asked directly: see README.md for why. Needs curl and node.
set -euo pipefail

GATEWAY=${GATEWAY:-http://127.0.0.1:30000}

curl --silent --show-error --fail --max-time 15 "$GATEWAY/workers" | node -e '
  let text = "";
  process.stdin.on("data", (data) => { text += data; });
  process.stdin.on("end", () => {
    const { workers } = JSON.parse(text);
    const fit = workers.filter(({ url, is_healthy, worker_type }) =>
      is_healthy && (worker_type ?? "regular") === "regular" && /^https?:/.test(url));
    if (fit.length === 0) {
      console.error(`none of ${workers.length} workers is a healthy regular HTTP server`);
      process.exit(1);
    }
    // Workers that serve several data-parallel ranks are listed once a rank, as ADDRESS@RANK.
    const urls = new Set(fit.map(({ url }) => url.replace(/@\d+$/, "")));
    for (const url of [...urls].sort()) console.log(`--servers\n${url}`);
  });
'
