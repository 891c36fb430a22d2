-- A run of a custom action names it. Beside the phases a run's `from_phase` is `refresh` or `action`, which an earlier
-- version cannot read: it leaves such a run to one that can, and never performs the phases in its place.
ALTER TABLE runs ADD COLUMN action text;
