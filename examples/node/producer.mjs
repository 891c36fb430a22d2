// Publishes import requests to RabbitMQ and waits for the broker's confirm of each.
//
//   npm install
//   AMQP_URL=amqp://guest:guest@127.0.0.1:5672/%2f node producer.mjs ../imports.ndjson
//
// A line is a request body, or {"message_id", "correlation_id", "body"}. A confirmed request is safe. One that was
// not confirmed is sent again with the same messageId: the worker recognises it and imports nothing twice.
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import amqp from "amqplib";

const connection = await amqp.connect(process.env.AMQP_URL);
const channel = await connection.createConfirmChannel();

// An unroutable message is confirmed as well, but comes back first.
const returned = new Set();
channel.on("return", (message) => returned.add(message.properties.messageId));

function publish(envelope) {
  const messageId = envelope.message_id ?? randomUUID();
  const region = envelope.body.region ?? ""; // any other routing key goes to the default region
  const properties = {
    messageId,
    correlationId: envelope.correlation_id,
    contentType: "application/json",
    persistent: true,
    mandatory: true,
    timestamp: Math.floor(Date.now() / 1000),
    type: "integrated_account.import.v1",
  };
  const body = Buffer.from(JSON.stringify(envelope.body));
  return new Promise((resolve, reject) => {
    channel.publish("tidewaiter.imports", region, body, properties, (error) => {
      if (error || returned.has(messageId)) return reject(error ?? new Error(`${messageId} is unroutable`));
      console.log("confirmed", messageId);
      resolve();
    });
  });
}

const lines = readFileSync(process.argv[2], "utf8").split("\n").filter((line) => line.trim());
const requests = lines.map((line) => JSON.parse(line));
await Promise.all(requests.map((request) => publish("body" in request ? request : { body: request })));
await connection.close();
