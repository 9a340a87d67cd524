-- Counts the changes of a password: a sign-in that was judged by an older one stores nothing.
ALTER TABLE "user" ADD COLUMN credentials_version INTEGER NOT NULL DEFAULT 0;
