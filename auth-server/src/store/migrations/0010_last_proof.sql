-- One row, written for no other reason than to see that writing works.
CREATE TABLE last_proof (
    id      INTEGER PRIMARY KEY,
    written INTEGER NOT NULL               -- how often
) STRICT;
