-- As the superuser: psql -f postgresql.sql. One role that owns its tables and nothing else.
CREATE ROLE lotse LOGIN;
-- asks for the password: it stands in no file and no history
\password lotse
CREATE DATABASE lotse OWNER lotse ENCODING 'UTF8' TEMPLATE template0;
REVOKE CONNECT ON DATABASE lotse FROM PUBLIC;
ALTER ROLE lotse SET idle_in_transaction_session_timeout = '30s';
ALTER ROLE lotse SET lock_timeout = '5s';
-- An answer that was sent is on the disk.  Where a replica must have it too, see synchronous_standby_names.
ALTER ROLE lotse SET synchronous_commit = 'on';
