-- Rows of an installation that has run for years: a million accounts and authorizations, three million refresh
-- tokens.  For a prepared, private PostgreSQL database. The rows fit together, so that nothing checks it.
SET synchronous_commit = off;
SET session_replication_role = replica;

INSERT INTO account (id, sub, status, epoch, username, username_key, password_hash, name, given_name, family_name,
    created_at, updated_at)
SELECT lpad(to_hex(i), 32, '0'), 'filled-' || i, 'active', 1, 'filled' || i, 'filled' || i,
    '$lotse$p=1$argon2id$v=19$m=19456,t=2,p=1$' || md5(i::text) || '$' || md5('t' || i),
    'Filled ' || i, 'Filled', i::text, 1700000000000000, 1700000000000000
FROM generate_series(1, 1000000) i;

INSERT INTO identifier (id, account_id, kind, purpose, sealed, lookup, pending, verified_at, created_at)
SELECT lpad(to_hex(i), 32, '0'), lpad(to_hex(i), 32, '0'), 'email', 'sign_in', sha256(('s' || i)::bytea),
    sha256(i::text::bytea), false, 1700000000000000, 1700000000000000
FROM generate_series(1, 1000000) i;

INSERT INTO "authorization" (id, account_id, account_epoch, installation_epoch, client_id, scope, acr, amr,
    auth_time, redirect_uri, offline, created_at, expires_at)
SELECT lpad(to_hex(i), 32, '0'), lpad(to_hex(i), 32, '0'), 1, 1, client.id, 'openid profile email',
    'urn:lotse:acr:aal1', 'pwd', 1700000000, 'http://127.0.0.1:9/cb', false, 1700000000000000, 2500000000000000
FROM generate_series(1, 1000000) i, (SELECT min(id) AS id FROM client) client;

INSERT INTO refresh_token (id, hash, authorization_id, issued_at, expires_at)
SELECT lpad(to_hex(i), 32, '0'), sha256(('r' || i)::bytea), lpad(to_hex(1 + i % 1000000), 32, '0'),
    1700000000000000, 2500000000000000
FROM generate_series(1, 3000000) i;
