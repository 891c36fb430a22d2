"""Publishes the messages of a fault run, each until the broker confirms it, and writes a ledger of the confirmed ones.

    AMQP_URL=… python producer.py MESSAGES LEDGER EXCHANGE SECONDS

A line of MESSAGES is {"number", "routing_key", "body", "properties"}; a property under the name "message_id_hex" holds
bytes that need not be text. The messages are spread evenly over SECONDS. A line of LEDGER is {"number", "tries"}. When the
connection breaks or the broker does not confirm, the message is published again over a new connection: it may then be
there twice, as with every producer that keeps its promise.
"""

import json
import os
import sys
import time

import pika
from pika.exceptions import AMQPError

PATIENCE = 120  # seconds for which one message is tried
PAUSE = 0.2  # seconds before the next try


def connect():
    parameters = pika.URLParameters(os.environ["AMQP_URL"])
    parameters.heartbeat = 5
    parameters.socket_timeout = 5
    parameters.blocked_connection_timeout = 10
    connection = pika.BlockingConnection(parameters)
    channel = connection.channel()
    channel.confirm_delivery()
    return connection, channel


def properties(given):
    given = dict(given)
    raw = given.pop("message_id_hex", None)
    if raw is not None:
        given["message_id"] = bytes.fromhex(raw)
    return pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent, **given)


def publish(session, message, exchange):
    """Publishes until it is confirmed; answers the session that worked and the number of tries."""
    began, tries = time.monotonic(), 0
    while True:
        tries += 1
        try:
            session = session or connect()
            session[1].basic_publish(
                exchange=exchange,
                routing_key=message["routing_key"],
                body=message["body"].encode(),
                properties=properties(message["properties"]),
                mandatory=True,
            )
            return session, tries
        # A broker that has just come back may refuse, return or break off; all of that passes.
        except (AMQPError, OSError) as error:
            print(f"message {message['number']}, try {tries}: {error!r}", file=sys.stderr, flush=True)
            if time.monotonic() - began > PATIENCE:
                sys.exit(f"message {message['number']} was not confirmed within {PATIENCE} s")
            session = None
            time.sleep(PAUSE)


def wait(session, seconds):
    """Answers heartbeats meanwhile; a connection that breaks is noticed at the next message."""
    if seconds > 0 and session:
        try:
            session[0].sleep(seconds)
        except (AMQPError, OSError) as error:
            print(f"while waiting: {error!r}", file=sys.stderr, flush=True)
    elif seconds > 0:
        time.sleep(seconds)


def main(messages, ledger, exchange, seconds):
    with open(messages, encoding="utf-8") as lines:
        messages = [json.loads(line) for line in lines]
    session, begin = None, time.monotonic()
    with open(ledger, "w", encoding="utf-8") as confirmed:
        for index, message in enumerate(messages):
            wait(session, begin + float(seconds) * index / len(messages) - time.monotonic())
            session, tries = publish(session, message, exchange)
            print(json.dumps({"number": message["number"], "tries": tries}), file=confirmed, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
