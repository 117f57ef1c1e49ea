-- SPDX-License-Identifier: MIT
-- Another run is about to be read.

DELETE FROM temp.seen;
DELETE FROM temp.seen_finding;
DELETE FROM temp.seen_policy;
DELETE FROM temp.aside;
DELETE FROM temp.waiver;
