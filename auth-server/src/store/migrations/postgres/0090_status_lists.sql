-- As on SQLite, but for the number of an end, which is that of its transaction: a counter would make all ends wait for one
-- another. These numbers are given when a transaction begins to write; the database tells below which all have ended.
ALTER TABLE family ADD COLUMN status_index INTEGER;
CREATE UNIQUE INDEX family_by_status_index ON family (status_index);

ALTER TABLE family ADD COLUMN end_number INTEGER;
CREATE INDEX family_by_end_number ON family (end_number) WHERE end_number IS NOT NULL;
CREATE FUNCTION number_end() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.end_number := txid_current();
    RETURN NEW;
END $$;
CREATE TRIGGER family_ended BEFORE UPDATE OF ended_at ON family
    FOR EACH ROW WHEN (NEW.ended_at IS NOT NULL AND OLD.ended_at IS NULL)
    EXECUTE FUNCTION number_end();
