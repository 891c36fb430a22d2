"""Keeps the last state of each account: `python3 reduce.py < events.ndjson`."""
import json
import sys


def take(accounts, text):
    """Takes one event into `accounts`: id to {sequence, status}."""
    try:
        event = json.loads(text)
        if not event["type"].startswith("integrated_account."):
            return
        data = event["data"]
        account, sequence, status = data["account"]["id"], data["sequence"], data["status"]
    except (ValueError, KeyError, TypeError, AttributeError):
        return  # A torn line, or nothing of ours.
    if account not in accounts or sequence > accounts[account]["sequence"]:
        accounts[account] = {"sequence": sequence, "status": status}


if __name__ == "__main__":
    accounts = {}
    for line in sys.stdin:
        take(accounts, line)
    print(json.dumps(accounts))
