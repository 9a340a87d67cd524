-- The resources that the authorization request named (RFC 8707), separated by spaces; empty when it named none.
ALTER TABLE authorization_code ADD COLUMN resources TEXT NOT NULL DEFAULT '';
ALTER TABLE family ADD COLUMN resources TEXT NOT NULL DEFAULT '';
