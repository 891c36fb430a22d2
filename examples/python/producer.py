"""Publishes import requests to RabbitMQ and waits for the broker's confirm of each.

    pip install -r requirements.txt
    AMQP_URL=amqp://guest:guest@127.0.0.1:5672/%2f python producer.py ../imports.ndjson

A line is a request body, or {"message_id", "correlation_id", "body"}. A confirmed request is safe. One that was
not confirmed is sent again with the same message_id: the worker recognises it and imports nothing twice.
"""

import json
import os
import sys
import time
import uuid

import pika


def publish(channel, line):
    request = json.loads(line)
    envelope = request if "body" in request else {"body": request}
    message_id = envelope.get("message_id") or str(uuid.uuid4())
    channel.basic_publish(
        exchange="tidewaiter.imports",
        routing_key=envelope["body"].get("region", ""),  # any other key goes to the default region
        body=json.dumps(envelope["body"]).encode(),
        mandatory=True,
        properties=pika.BasicProperties(
            message_id=message_id,
            correlation_id=envelope.get("correlation_id"),
            content_type="application/json",
            delivery_mode=pika.DeliveryMode.Persistent,
            timestamp=int(time.time()),
            type="integrated_account.import.v1",
        ),
    )
    print("confirmed", message_id, flush=True)


def main(path):
    connection = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"]))
    channel = connection.channel()
    channel.confirm_delivery()  # from here on basic_publish returns after the confirm, and raises without one
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            if line.strip():
                publish(channel, line)
    connection.close()


if __name__ == "__main__":
    main(sys.argv[1])
