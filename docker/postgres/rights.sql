-- Every service has a role and a database of its own and enters no other. Said again at every start, so that a service that
-- came later, or a changed password, needs nothing but a restart.
REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC;

SELECT 'CREATE ROLE auth' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'auth') \gexec
ALTER ROLE auth LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION CONNECTION LIMIT 60 PASSWORD '${SY_POSTGRES_AUTH}';
ALTER ROLE auth SET statement_timeout = '60s';
ALTER ROLE auth SET idle_in_transaction_session_timeout = '60s';
SELECT 'CREATE DATABASE auth OWNER auth' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'auth') \gexec
REVOKE ALL ON DATABASE auth FROM PUBLIC;

SELECT 'CREATE ROLE profile' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'profile') \gexec
ALTER ROLE profile LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION CONNECTION LIMIT 60 PASSWORD '${SY_POSTGRES_PROFILE}';
ALTER ROLE profile SET statement_timeout = '60s';
ALTER ROLE profile SET idle_in_transaction_session_timeout = '60s';
SELECT 'CREATE DATABASE profile OWNER profile' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'profile') \gexec
REVOKE ALL ON DATABASE profile FROM PUBLIC;

SELECT 'CREATE ROLE posts' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'posts') \gexec
ALTER ROLE posts LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION CONNECTION LIMIT 60 PASSWORD '${SY_POSTGRES_POSTS}';
ALTER ROLE posts SET statement_timeout = '60s';
ALTER ROLE posts SET idle_in_transaction_session_timeout = '60s';
SELECT 'CREATE DATABASE posts OWNER posts' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'posts') \gexec
REVOKE ALL ON DATABASE posts FROM PUBLIC;
