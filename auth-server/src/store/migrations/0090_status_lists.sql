-- Where the status of a grant stands in the lists that resource servers read (IETF draft Token Status List). No two rows
-- share one, so an index is free again when its row has been swept. NULL: a grant of the version before, which gets one
-- when it is refreshed.
ALTER TABLE family ADD COLUMN status_index INTEGER;
CREATE UNIQUE INDEX family_by_status_index ON family (status_index);

-- The ends in the order in which they were committed: who has read up to a number finds what ended since. NULL: it has not
-- ended, or had when this column came. Whichever statement ends a grant, of whichever version of the program, is noted.
ALTER TABLE family ADD COLUMN end_number INTEGER;
CREATE INDEX family_by_end_number ON family (end_number) WHERE end_number IS NOT NULL;
CREATE TABLE last_end (
    id     INTEGER PRIMARY KEY,
    number INTEGER NOT NULL
) STRICT;
INSERT INTO last_end (id, number) VALUES (1, 0);
CREATE TRIGGER family_ended AFTER UPDATE OF ended_at ON family
    WHEN NEW.ended_at IS NOT NULL AND OLD.ended_at IS NULL
BEGIN
    UPDATE last_end SET number = number + 1 WHERE id = 1;
    UPDATE family SET end_number = (SELECT number FROM last_end WHERE id = 1) WHERE id = NEW.id;
END;
