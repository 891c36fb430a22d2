-- What a message brings beside its body: the W3C trace context that the events of its run continue, and, of one that
-- is refused, its sealed properties.
ALTER TABLE runs ADD COLUMN traceparent text;
ALTER TABLE quarantine ADD COLUMN properties bytea;
