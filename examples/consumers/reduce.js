// Keeps the last state of each account: `node reduce.js < events.ndjson`.

/** Takes one event into `accounts`: a Map from id to {sequence, status}. */
function take(accounts, text) {
  let event;
  try {
    event = JSON.parse(text);
  } catch {
    return; // A torn line.
  }
  if (!event?.type?.startsWith?.("integrated_account.") || !event.data?.account) return;
  const { account, sequence, status } = event.data;
  const last = accounts.get(account.id);
  if (!last || sequence > last.sequence) accounts.set(account.id, { sequence, status });
}

if (require.main === module) {
  const accounts = new Map();
  for (const line of require("node:fs").readFileSync(0, "utf8").split("\n")) take(accounts, line);
  console.log(JSON.stringify(Object.fromEntries(accounts)));
}

module.exports = { take };
