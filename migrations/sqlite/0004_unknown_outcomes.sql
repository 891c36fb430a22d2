-- An unknown outcome may be resent or skipped. What there is to go on from stays with the run that ended so
-- (`runs.progress`), until another run takes it over.
ALTER TABLE replays ADD COLUMN unknown_outcome text;
UPDATE replays SET unknown_outcome = 'resend' WHERE resend = 1;
ALTER TABLE replays DROP COLUMN resend;
