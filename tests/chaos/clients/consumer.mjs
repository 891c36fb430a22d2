// Writes down every delivery of a queue before it acknowledges it, across every break of the connection.
//
//   AMQP_URL=… node consumer.mjs LOG QUEUE EXCHANGE BINDING
//
// Declares the queue and its binding, then prints `consuming` once. SIGTERM ends it.
import { openSync, writeSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import amqp from "amqplib";

const [log, queue, exchange, binding] = process.argv.slice(2);
const file = openSync(log, "a");
let announced = false;
process.on("SIGTERM", () => process.exit(0));

function receive(channel, message) {
  const { fields, properties, content } = message;
  const line = {
    routing_key: fields.routingKey,
    redelivered: fields.redelivered,
    message_id: properties.messageId,
    correlation_id: properties.correlationId,
    type: properties.type,
    app_id: properties.appId,
    content_type: properties.contentType,
    delivery_mode: properties.deliveryMode,
    timestamp: properties.timestamp,
    body: content.toString(),
  };
  writeSync(file, JSON.stringify(line) + "\n");
  channel.ack(message);
}

async function consume() {
  const connection = await amqp.connect(process.env.AMQP_URL + "?heartbeat=5", { timeout: 5000 });
  const broken = new Promise((resolve) => {
    connection.on("error", resolve);
    connection.on("close", resolve);
  });
  const channel = await connection.createChannel();
  channel.on("error", (error) => console.error(`channel: ${error.message}`));
  channel.on("close", () => connection.close().catch(() => {}));
  await channel.assertQueue(queue, { durable: true, arguments: { "x-queue-type": "quorum" } });
  await channel.bindQueue(queue, exchange, binding);
  await channel.prefetch(50);
  await channel.consume(queue, (message) => (message ? receive(channel, message) : connection.close()));
  if (!announced) console.log("consuming");
  announced = true;
  await broken;
}

for (;;) {
  await consume().catch((error) => console.error(error.message));
  await pause(200);
}
