// Follows the status of accounts: a durable queue of your own, bound to the events you care for.
//
//   npm install
//   AMQP_URL=amqp://guest:guest@127.0.0.1:5672/%2f node consumer.mjs [QUEUE [BINDING...]]
//
// Bindings are integrated_account.<word>.<region>.<integration>; the default is all of them. Events come at least once and
// in order per account, so the rule is: keep the last sequence of each account and ignore what is not larger. Keep that
// number where you keep the rest of what you know of the account, in one transaction; here it is a map.
import amqp from "amqplib";

const [queue = "accounts", ...bindings] = process.argv.slice(2);
const connection = await amqp.connect(process.env.AMQP_URL);
const channel = await connection.createChannel();
await channel.assertQueue(queue, { durable: true, arguments: { "x-queue-type": "quorum" } });
for (const binding of bindings.length ? bindings : ["integrated_account.#"]) {
  await channel.bindQueue(queue, "tidewaiter.events", binding);
}
await channel.prefetch(100);

const last = new Map();
await channel.consume(queue, (message) => {
  if (!message) throw new Error(`the queue ${queue} is gone`);
  const { account, sequence, status, reason } = JSON.parse(message.content.toString()).data;
  if (sequence > (last.get(account.id) ?? 0)) {
    last.set(account.id, sequence);
    console.log(account.id, sequence, status, reason?.code ?? "");
  }
  channel.ack(message); // only now: what is not acknowledged comes again
});
console.error("waiting for events");
