//! Every variable this version reads, in the order of `--help`.

/// One setting: an environment variable, and a flag of the same meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    /// The name in the environment.
    pub name: &'static str,
    /// The flag, without the leading dashes.
    pub flag: &'static str,
    /// What it is for.
    pub help: &'static str,
    /// What holds without it, in words.
    pub default: &'static str,
    /// A value that would be right.
    pub example: &'static str,
    /// The variable that names a file with the value. Only secrets have one, and whatever has one is never shown.
    pub file: Option<File>,
}

/// The twin of a secret: a variable that names a file, as container platforms mount secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct File {
    /// The name in the environment.
    pub name: &'static str,
    /// The flag, without the leading dashes.
    pub flag: &'static str,
}

impl Variable {
    /// Tells whether the value must never be shown.
    pub const fn is_secret(&self) -> bool {
        self.file.is_some()
    }
}

macro_rules! variables {
    ($($name:ident: $flag:literal, $help:literal, default $default:literal, example $example:literal
       $(, file $file:ident $file_flag:literal)?;)*) => {
        $(#[doc = concat!($help, ".")]
        pub const $name: Variable = Variable {
            name: stringify!($name),
            flag: $flag,
            help: $help,
            default: $default,
            example: $example,
            file: variables!(@file $($file $file_flag)?),
        };)*
        /// All of them.
        pub const ALL: &[Variable] = &[$($name),*];
    };
    (@file) => { None };
    (@file $file:ident $flag:literal) => { Some(File { name: stringify!($file), flag: $flag }) };
}

variables! {
    HOST: "host", "Address to listen on",
        default "127.0.0.1", example "0.0.0.0";
    PORT: "port", "Port to listen on; 0 picks a free one and prints it",
        default "8080", example "8080";
    DATABASE_URL: "database-url", "Postgres 15 or later; without it everything is kept in memory and lost at exit",
        default "none", example "postgres://frontdesk@localhost:5432/frontdesk?sslmode=require",
        file DATABASE_URL_FILE "database-url-file";
    MIGRATION_DATABASE_URL: "migration-database-url", "The owner's login, past any pooler: for migrations, the key kept in the database, jobs, and with RLS_MODE=transaction for the events of other nodes",
        default "DATABASE_URL", example "postgres://owner@localhost:5432/frontdesk",
        file MIGRATION_DATABASE_URL_FILE "migration-database-url-file";
    DATABASE_POOL_SIZE: "database-pool-size", "Connections to Postgres",
        default "4 x cores", example "16";
    MIGRATE_ON_START: "migrate-on-start", "Bring the schema up to date before listening",
        default "true", example "false";
    RLS_MODE: "rls-mode", "How a connection learns its user: session, or transaction behind a pooler in transaction mode",
        default "session", example "transaction";
    REDIS_URL: "redis-url", "Redis or Valkey, over which events reach the other nodes in the place of the database",
        default "none", example "rediss://frontdesk:password@redis.example.com:6379/0",
        file REDIS_URL_FILE "redis-url-file";
    ROOM_BROADCAST: "room-broadcast", "Which rooms hear of a profile: members, where its user is or was within 24h, or all",
        default "members", example "all";
    APP_ENV: "app-env", "development or production; production refuses what is unsafe there",
        default "development", example "production";
    JWT_SECRET_KEY: "jwt-secret-key", "Signs access tokens; at least 32 bytes",
        default "made at start in memory, else kept in the database", example "$(openssl rand -hex 32)",
        file JWT_SECRET_KEY_FILE "jwt-secret-key-file";
    JWT_SIGNING_KEY_FILE: "jwt-signing-key-file", "A file of Ed25519 keys as PEM; the first signs access tokens, the others still verify, and all are published",
        default "none", example "/run/secrets/jwt_signing_key.pem";
    JWT_ISSUER: "jwt-issuer", "The iss of access tokens",
        default "frontdesk", example "frontdesk";
    JWT_AUDIENCE: "jwt-audience", "The aud of access tokens",
        default "frontdesk", example "frontdesk";
    ACCESS_TOKEN_TTL: "access-token-ttl", "How long an access token lives, 1s to 30d",
        default "15m", example "15m";
    TRUSTED_ISSUERS: "trusted-issuers", "Whose tokens are believed beside our own: a JSON list, see docs/how-to/trust-an-issuer.md",
        default "none",
        example r#"[{"issuer":"https://id.example.com","audience":"frontdesk","algorithm":"ES256","jwks_url":"https://id.example.com/jwks.json"}]"#,
        file TRUSTED_ISSUERS_FILE "trusted-issuers-file";
    USERS_AUTH: "users-auth", "Who may act for an account on /users without its token: claim, open or jwt",
        default "claim", example "claim";
    CLAIM_WINDOW: "claim-window", "How long a new account without a password stays unclaimed, 1s to 30d",
        default "60m", example "60m";
    AVATAR_DIR: "avatar-dir", "The directory that keeps the files of avatars",
        default "in memory without a database, else ./data/avatars", example "/var/lib/frontdesk/avatars";
    AVATAR_BUCKET_URL: "avatar-bucket-url", "The bucket of S3 that keeps them instead, with a prefix or without",
        default "none", example "s3://frontdesk/avatars";
    AWS_ACCESS_KEY_ID: "aws-access-key-id", "The key for the bucket",
        default "the role of the AWS instance", example "AKIAIOSFODNN7EXAMPLE";
    AWS_SECRET_ACCESS_KEY: "aws-secret-access-key", "The secret of that key",
        default "none", example "$(cat secret_access_key)",
        file AWS_SECRET_ACCESS_KEY_FILE "aws-secret-access-key-file";
    AWS_SESSION_TOKEN: "aws-session-token", "What a temporary key comes with",
        default "none", example "$(cat session_token)",
        file AWS_SESSION_TOKEN_FILE "aws-session-token-file";
    AWS_REGION: "aws-region", "The region of the bucket",
        default "AWS_DEFAULT_REGION", example "eu-central-1";
    AWS_DEFAULT_REGION: "aws-default-region", "The same, by its other name",
        default "us-east-1", example "eu-central-1";
    AWS_ENDPOINT_URL: "aws-endpoint-url", "The URL of a store other than AWS that speaks S3",
        default "AWS", example "https://minio.example.com:9000";
    PUBLIC_URL: "public-url", "Where clients reach the server; put before the paths of avatars",
        default "none: paths are shown", example "https://accounts.example.com";
    CORS_ALLOWED_ORIGINS: "cors-allowed-origins", "Origins of web clients, comma-separated; localhost is allowed without a database",
        default "none", example "https://app.example.com,https://*.example.com";
    CORS_ALLOW_CREDENTIALS: "cors-allow-credentials", "Let browsers send credentials",
        default "false", example "true";
    TRUSTED_PROXIES: "trusted-proxies", "Networks whose X-Forwarded-For is believed, comma-separated",
        default "none", example "10.0.0.0/8,fd00::/8";
    RATE_LIMIT_PER_MINUTE: "rate-limit-per-minute", "Requests per caller and minute; 0 switches the limits off",
        default "600", example "600";
    RUST_LOG: "rust-log", "What is logged, as tracing directives",
        default "info", example "info,frontdesk=debug";
    LOG_FORMAT: "log-format", "pretty or json",
        default "pretty on a terminal, else json", example "json";
}

/// Variables of later versions. Who sets one expects it to change where data goes or who is let in, so that silence
/// would be a trap.
pub const NOT_YET: &[&str] =
    &["API_KEY_PEPPER", "STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET", "SMTP_URL", "OTEL_EXPORTER_OTLP_ENDPOINT"];

#[cfg(test)]
mod tests {
    use super::*;

    fn kebab(name: &str) -> String {
        name.to_lowercase().replace('_', "-")
    }

    #[test]
    fn every_flag_is_its_variable_in_kebab_case() {
        for variable in ALL {
            assert_eq!(variable.flag, kebab(variable.name));
            if let Some(file) = variable.file {
                assert_eq!(file.name, format!("{}_FILE", variable.name));
                assert_eq!(file.flag, kebab(file.name));
            }
        }
    }
}
