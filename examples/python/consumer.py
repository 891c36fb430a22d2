"""Follows the status of accounts: a durable queue of your own, bound to the events you care for.

    pip install -r requirements.txt
    AMQP_URL=amqp://guest:guest@127.0.0.1:5672/%2f python consumer.py [QUEUE [BINDING...]]

Bindings are integrated_account.<word>.<region>.<integration>; the default is all of them. Events come at least once and in
order per account, so the rule is: keep the last sequence of each account and ignore what is not larger. Keep that number
where you keep the rest of what you know of the account, in one transaction; here it is a dictionary.
"""

import json
import os
import sys

import pika

last = {}


def handle(channel, method, properties, body):
    event = json.loads(body)
    account, sequence = event["data"]["account"], event["data"]["sequence"]
    if sequence > last.get(account["id"], 0):
        last[account["id"]] = sequence
        reason = event["data"]["reason"] or {}
        print(account["id"], sequence, event["data"]["status"], reason.get("code", ""), flush=True)
    channel.basic_ack(method.delivery_tag)  # only now: what is not acknowledged comes again


def main(queue="accounts", *bindings):
    connection = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"]))
    channel = connection.channel()
    channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
    for binding in bindings or ("integrated_account.#",):
        channel.queue_bind(queue, "tidewaiter.events", binding)
    channel.basic_qos(prefetch_count=100)
    channel.basic_consume(queue, handle)
    print("waiting for events", file=sys.stderr, flush=True)
    channel.start_consuming()


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except KeyboardInterrupt:
        pass
