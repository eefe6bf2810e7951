-- The deployment's own certificate authority, which vouches for auth's internal TLS address. One row per generation; the
-- key of the table makes it exactly one, however many instances start at once. Only the keys are secret, and they are
-- sealed with a key made from SECRET_KEY: whoever reads or writes this table can neither use nor add one.
CREATE TABLE authorities (
    generation BIGINT NOT NULL PRIMARY KEY,
    -- the name in the certificate, as the certificates it issues repeat it
    subject TEXT NOT NULL,
    -- DER
    certificate BYTEA NOT NULL,
    -- nonce, AES-256-GCM of the PKCS#8 key, tag; bound to all other columns of the row
    sealed_key BYTEA NOT NULL,
    -- which key seals it
    sealed_by TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL
);
